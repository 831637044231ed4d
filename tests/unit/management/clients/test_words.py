"""Names for any language, and comments that stay comments."""

from __future__ import annotations

import pytest

from appliance.management.clients.words import Names, comment, parts, pascal, sentence, snake


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("executionId", ["execution", "id"]),
        ("execution_id", ["execution", "id"]),
        ("X-Request-Id", ["x", "request", "id"]),
        ("DHTNodes", ["dht", "nodes"]),
        ("rx_bytes64", ["rx", "bytes", "64"]),
        ("___", ["x"]),
    ],
)
def test_a_name_has_words(name: str, found: list[str]) -> None:
    assert parts(name) == found


def test_names_as_languages_write_them() -> None:
    assert snake("executionId") == "execution_id"
    assert pascal("execution_id") == "ExecutionId"
    assert pascal("execution_id", frozenset({"id"})) == "ExecutionID"
    assert (snake("2fa"), pascal("2fa")) == ("n2_fa", "N2Fa")


def test_each_name_is_given_once() -> None:
    names = Names(["taken"])
    assert [names.given(each) for each in ("taken", "free", "free", "free2")] == ["taken2", "free", "free2", "free22"]


def test_a_comment_has_no_end_within() -> None:
    hostile = "one\ntwo\r\u2028three\x00\ufeff\ud800 // four" + " word" * 40
    lines = comment(hostile, "//", "\t").splitlines()
    assert len(lines) == 2
    assert all(line.startswith("\t// ") and line[1:].isprintable() for line in lines)
    assert comment(" \n ", "//") == ""


def test_a_sentence_begins_with_a_capital() -> None:
    assert sentence("run it as API") == "Run it as API"
    assert sentence("") == ""

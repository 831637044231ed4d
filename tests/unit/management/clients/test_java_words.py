"""Names, literals and comments of Java from words of anybody's."""

from __future__ import annotations

import pytest

from appliance.management.clients.java_words import classes, comment, literal, member, members, pascal


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("status", "status"),
        ("rtt_ms", "rttMs"),
        ("executionId", "executionId"),
        ("a-b.c", "aBC"),
        ("class", "class_"),
        ("hashCode", "hashCode_"),
        ("9lives", "_9lives"),
        ("größe", "grE"),
        ("_", "__"),
        ("", "__"),
    ],
)
def test_the_name_of_a_component(name: str, written: str) -> None:
    assert member(name) == written


def test_names_that_would_be_one_are_told_apart() -> None:
    assert members(["a_b", "aB", "given"], ("given",)) == {"a_b": "aB", "aB": "aB_", "given": "given_"}


def test_classes_differ_on_every_file_system_and_are_none_of_the_clients_own() -> None:
    assert classes(["Peer", "PEER", "string", "Options", "interface"]) == {
        "Peer": "Peer",
        "PEER": "PEER_",
        "string": "String_",
        "Options": "Options_",
        "interface": "Interface",
    }
    assert pascal("users_list") == "UsersList"


def test_a_string_stays_a_string() -> None:
    assert literal('a"b\\u0022\n\x01é') == '"a\\"b\\\\u0022\\n\\u0001\\u00e9"'


def test_a_comment_is_not_ended_from_within() -> None:
    assert comment("all */ \\u002a/ <b> {@link x} é", 2) == (
        "  /** all *&#47; &#92;u002a/ &lt;b&gt; &#123;&#64;link x&#125; &#233; */\n"
    )
    assert comment("  ") == ""


def test_a_long_comment_has_lines_and_says_what_components_are() -> None:
    assert comment("A thing.", 0, [("size", "Bytes."), ("name", "")]) == "/**\n * A thing.\n * @param size Bytes.\n */\n"
    assert max(map(len, comment("word " * 100, 2).splitlines())) <= 120

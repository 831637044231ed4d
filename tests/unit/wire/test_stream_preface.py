"""What is said before a stream's bytes: any bytes of a peer are a preface or that peer's fault."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import LocalFault, PeerFault
from appliance.wire.stream_preface import (
    HEAD_BYTES,
    MOST_BYTES,
    MOST_METADATA,
    MOST_TEXT,
    StreamRefusal,
    Wanted,
    encode_answer,
    encode_wanted,
    length_of,
    read_answer,
    read_wanted,
)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "zeros", [TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), TRACE.replace("b7ad6b7169203331", "0" * 16)]
)
def test_a_trace_of_nobody_is_none(zeros: str) -> None:
    framed = encode_wanted(Wanted("echo", {}, zeros))
    assert read_wanted(framed[HEAD_BYTES:]) == Wanted("echo")


@pytest.mark.parametrize("wanted", [Wanted("echo"), Wanted("a.b-c_d", {"user": "ädä", "x": ""}, TRACE)])
def test_what_is_wanted_survives(wanted: Wanted) -> None:
    said = encode_wanted(wanted)
    assert length_of(said[:HEAD_BYTES]) == len(said) - HEAD_BYTES
    assert read_wanted(said[HEAD_BYTES:]) == wanted


@pytest.mark.parametrize("refused", [None, *StreamRefusal])
def test_an_answer_survives(refused: StreamRefusal | None) -> None:
    assert read_answer(encode_answer(refused)[HEAD_BYTES:]) == refused


def test_a_reason_of_a_later_version_is_a_refusal() -> None:
    assert read_answer(b'{"refused": "too-early"}') is StreamRefusal.NOT_ALLOWED


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"service": ""},
        {"service": "Echo"},
        {"service": "-x"},
        {"service": "a" * 64},
        {"service": ["echo"]},
        {"service": "echo", "metadata": []},
        {"service": "echo", "metadata": {"a b": "x"}},
        {"service": "echo", "metadata": {"a": 1}},
        {"service": "echo", "metadata": {"a": "x" * (MOST_TEXT + 1)}},
        {"service": "echo", "metadata": {f"n{n}": "" for n in range(MOST_METADATA + 1)}},
        {"service": "echo", "traceparent": "00"},
        {"service": "echo", "traceparent": 7},
    ],
)
def test_what_breaks_the_form_is_refused_by_both_sides(said: dict[str, Any]) -> None:
    with pytest.raises(PeerFault):
        read_wanted(json.dumps(said).encode())


def test_a_caller_finds_out_here_that_it_says_too_much() -> None:
    with pytest.raises(LocalFault):
        encode_wanted(Wanted("echo", {f"n{n}": "x" * MOST_TEXT for n in range(MOST_METADATA)}))
    with pytest.raises(LocalFault):
        encode_wanted(Wanted("Echo"))


@pytest.mark.parametrize("head", [b"GE", b"SS", b"\x16\x03", b"\0\0", (MOST_BYTES + 1).to_bytes(2, "big")])
def test_callers_of_other_protocols_are_refused_by_their_first_two_bytes(head: bytes) -> None:
    with pytest.raises(PeerFault):
        length_of(head)


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        lambda x: json.dumps(x).encode()
    )
)
def test_any_bytes_are_judged(body: bytes) -> None:
    for read in (read_wanted, read_answer):
        with suppress(PeerFault):
            read(body)

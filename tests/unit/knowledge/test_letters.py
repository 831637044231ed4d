"""Letters between two members: taken or not, and nothing but letters."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.effects import Deed
from appliance.knowledge.letters.machine import LETTER, MOST_CONTENT, NEVER, TAKEN, Letter, Letters

A, B = bytes(32), bytes([1]) * 32


def test_a_letter_arrives_at_the_server_of_its_name_if_that_takes_it() -> None:
    one, other = Letters(lambda _box: False), Letters(lambda box: box == "signalling")
    for box in ("signalling", "other"):
        one.send(box, B, b"hello")
    for ask in one.asked:
        one.answered(ask.number, other.answer(A, ask.kind, ask.body, 0, 0), 0, 0)
    assert other.came == [Letter("signalling", A, b"hello")]
    assert one.outcomes == [(1, True), (2, False)]
    assert other.deeds == [], "to have no such server is no fault of the sender"
    assert one.next_due() == math.inf


@pytest.mark.parametrize("box", ["", "x" * 64])
def test_a_server_has_a_name(box: str) -> None:
    with pytest.raises(ValueError, match="a letter has"):
        Letters(lambda _box: True).send(box, B, b"")


def test_a_letter_that_is_too_long_is_not_sent() -> None:
    letters = Letters(lambda _box: True)
    letters.send("x", B, bytes(MOST_CONTENT))
    with pytest.raises(ValueError, match="a letter has"):
        letters.send("x", B, bytes(MOST_CONTENT + 1))
    assert len(letters.asked) == 1


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (LETTER, b""), (LETTER, b"\0"), (LETTER, b"\x05abc"), (LETTER, b"\xff" + bytes(300)), (LETTER, b"\x01\xff"),
        (LETTER, b"\x01x" + bytes(MOST_CONTENT + 1)), ("other", b"\x01x"),
    ],
)  # fmt: skip
def test_what_is_no_letter_has_no_answer_and_speaks_against_its_sender(kind: str, body: bytes) -> None:
    letters = Letters(lambda _box: True)
    assert letters.answer(A, kind, body, 0, 0) is None
    assert letters.deeds == [Deed(A, "malformed-letter", NEVER)]
    assert letters.came == []
    letters.take(A, kind, body, 0, 0)
    assert letters.counters["malformed"] == 2


@given(st.text(), st.binary())
def test_whatever_comes_nothing_is_raised(kind: str, body: bytes) -> None:
    letters = Letters(lambda _box: True)
    for each in (kind, LETTER):
        assert letters.answer(A, each, body, 0, 0) in {None, TAKEN}
        letters.answered(7, body, 0, 0)

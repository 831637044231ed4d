"""The book as it is kept, and what becomes of it when a clock jumps or somebody writes into the file."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.scores.blocks import FIRST_SECONDS, Block
from appliance.knowledge.scores.book import Book, Surroundings
from appliance.knowledge.scores.document import BookDamaged, document_of, read_document
from appliance.knowledge.scores.history import HALF_LIFE

ONE, TWO, THREE = b"1" * 32, b"2" * 32, b"3" * 32
WALL = 1_800_000_000.0


def book_of_three() -> Book:
    """One blocked by hand, one by the node, and one that is good; at 1,000 s of the book's clock."""
    book = Book()
    book.blocks.put(ONE, Block("floods", "root", 900.0, inf))
    for _ in range(8):
        book.note(TWO, "forged-statement", -10.0, 1000.0)
    assert book.judge(TWO, Surroundings(3, [ONE, TWO, THREE]), 1000.0) is not None
    for _ in range(40):
        book.note(THREE, "answered", 1.0, 1000.0)
    return book


def kept() -> bytes:
    return json.dumps(document_of(book_of_three(), 1000.0, WALL)).encode()


def changed(change: dict[str, Any]) -> bytes:
    document = json.loads(kept())
    for each in document["members"].values():
        each.update(change)
    return json.dumps(document).encode()


def test_it_is_the_same_on_a_clock_that_began_anew() -> None:
    book = read_document(kept(), 5.0, WALL)
    assert book.blocks.all[ONE] == Block("floods", "root", -95.0, inf)
    assert book.blocks.all[TWO].until == 5.0 + FIRST_SECONDS
    assert book.value(THREE, 5.0) == pytest.approx(40.0)
    assert book.histories[TWO].reasons["forged-statement"].count == 8
    assert book.due(5.0 + FIRST_SECONDS)
    assert book.judge(TWO, Surroundings(3, [ONE, TWO, THREE]), 5.0 + FIRST_SECONDS) is None


def test_the_time_without_a_process_counts() -> None:
    book = read_document(kept(), 5.0, WALL + HALF_LIFE)
    assert book.value(THREE, 5.0) == pytest.approx(20.0)
    assert [member for member, _ in book.due(5.0)] == [TWO]
    assert ONE in book.blocks


def test_a_clock_that_went_back_ends_no_block_and_one_that_leapt_ends_none_that_has_no_end() -> None:
    back = read_document(kept(), 5.0, WALL - 1e8)
    assert back.blocks.all[TWO].until == 5.0 + FIRST_SECONDS
    leapt = read_document(kept(), 5.0, WALL + 1e9)
    assert [member for member, _ in leapt.due(5.0)] == [TWO]
    assert ONE in leapt.blocks


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"form": 2, "written": 1, "members": {}}',
        b'{"form": 1, "written": null, "members": {}}',
        b'{"form": 1, "written": 1, "members": {"llp1:x": {}}}',
        b'{"form": 1, "written": 1, "members": []}' + b"x",
        changed({"block": {"reason": 5, "by": "", "age": 1, "left": 5}}),
        changed({"block": {"reason": "", "by": "", "age": "x", "left": 5}}),
        changed({"block": []}),
        changed({"reasons": {"what": [1, 2]}}),
        changed({"reasons": {"what": [1, 2, 3, "x", True]}}),
        changed({"reasons": {f"what-{number}": [1, 2, 3, 4, True] for number in range(100)}}),
        changed({"doubled": 3}),
        b"[" * 100_000,
    ],
)
def test_what_is_no_book_is_refused(data: bytes) -> None:
    with pytest.raises(BookDamaged):
        read_document(data, 5.0, WALL)


@given(st.integers(0, 2000), st.binary(max_size=3))
def test_no_damage_raises_anything_else(at: int, put: bytes) -> None:
    data = kept()
    try:
        book = read_document(data[:at] + put + data[at + len(put) :], 5.0, WALL)
    except BookDamaged:
        return
    book.due(5.0)
    assert all(-100.0 <= book.value(each, 5.0) <= 100.0 for each in (ONE, TWO, THREE))


def test_numbers_beyond_all_bounds_are_cut() -> None:
    book = read_document(changed({"reasons": {"what": [1e300, -5, 1e300, -1e300, True]}, "doubled": [900, 0]}), 5.0, WALL)
    assert book.value(ONE, 5.0) >= -100.0
    assert book.blocks.terms[ONE].doubled == 16
    with pytest.raises(BookDamaged):
        read_document(changed({"reasons": {"what": [1, 2, 3, float("nan"), True]}}), 5.0, WALL)

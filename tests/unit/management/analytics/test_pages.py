from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.analytics import pages
from appliance.management.analytics.pages import PageInvalid
from appliance.management.analytics.series import FINE, MINUTE, QUARTER, Book, Key, Kind, counted, level

NOW = 1_764_000_000
SLOT = NOW // 60
PEERS = [Key("round-trip", f"peer {number} ü") for number in range(3)]


def book_of_an_hour() -> Book:
    book = Book()
    for second in range(0, 3600, 10):
        book.read(NOW + second, [(key, Kind.LEVEL, level(number + second)) for number, key in enumerate(PEERS)])
        book.read(NOW + second, [(Key("drops"), Kind.RATE, counted(second, 10))])
    return book


def restored(kept: dict[object, dict[int, bytes]]) -> tuple[Book, int]:
    """A new book with these pages, and how many could not be read."""
    book, broken = Book(), 0
    for resolution in (QUARTER, MINUTE):
        for slot, page in kept[resolution].items():
            try:
                pages.restore(book, resolution, slot, page, kept[QUARTER])
            except PageInvalid:
                broken += 1
    return book, broken


def pages_of(book: Book, *wanted: tuple[object, int]) -> dict[object, dict[int, bytes]]:
    found: dict[object, dict[int, bytes]] = {MINUTE: {}, QUARTER: {}}
    for resolution, slot in wanted:
        page = pages.encode(book, resolution, slot)  # type: ignore[arg-type]
        assert page is not None
        found[resolution][slot] = page
    return found


def test_a_page_says_what_was() -> None:
    book = book_of_an_hour()
    page = pages.encode(book, MINUTE, SLOT + 5)
    assert page is not None
    told = {key: (kind, cell) for key, kind, cell in pages.decode(page)}
    assert told == {key: (series.kind, series.rings[MINUTE].at(SLOT + 5)) for key, series in book.series.items()}


def test_of_nothing_there_is_no_page() -> None:
    assert pages.encode(book_of_an_hour(), MINUTE, SLOT + 61) is None


def test_keys_sort_by_time_and_pages_end_with_their_ring() -> None:
    assert pages.key_of(MINUTE, 9) < pages.key_of(MINUTE, 10) < pages.key_of(MINUTE, 29_400_000)
    assert pages.slot_of(pages.key_of(QUARTER, 123)) == 123
    assert pages.expires(MINUTE, SLOT) == NOW + 86400
    with pytest.raises(PageInvalid):
        pages.slot_of("minute/x")


def test_after_a_restart_all_is_there_but_the_finest() -> None:
    book = book_of_an_hour()
    first = NOW // 900
    minutes = [(MINUTE, SLOT + number) for number in range(58)]  # the last quarter of an hour was not over
    kept = pages_of(book, *minutes, *((QUARTER, first + number) for number in range(3)))
    again, broken = restored(kept)
    assert not broken
    for key in PEERS:
        rings, before = again.series[key].rings, book.series[key].rings
        assert list(rings[MINUTE].cells(0, NOW)) == list(before[MINUTE].cells(SLOT, SLOT + 57))
        assert [rings[QUARTER].at(first + number) for number in range(3)] == [
            before[QUARTER].at(first + number) for number in range(3)
        ]
        assert rings[QUARTER].at(first + 3) == before[MINUTE].together(SLOT + 45, SLOT + 57), "made of its minutes"
        assert not list(rings[FINE].cells(0, NOW))


def test_a_quarter_that_nobody_lived_to_write_is_made_of_its_minutes() -> None:
    book = book_of_an_hour()
    again, _ = restored(pages_of(book, *((MINUTE, SLOT + number) for number in range(60))))
    assert list(again.series[PEERS[0]].rings[QUARTER].cells(0, NOW)) == list(book.series[PEERS[0]].rings[QUARTER].cells(0, NOW))


def test_a_page_that_cannot_be_read_is_left_out_whole() -> None:
    book = book_of_an_hour()
    kept = pages_of(book, (MINUTE, SLOT), (MINUTE, SLOT + 1))
    body = zlib.decompress(kept[MINUTE][SLOT][1:])
    kept[MINUTE][SLOT] = b"\x01" + zlib.compress(body[:-3])
    again, broken = restored(kept)
    assert broken == 1
    assert [slot for slot, _ in again.series[PEERS[0]].rings[MINUTE].cells(0, NOW)] == [SLOT + 1]


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda body: b"\x01" + zlib.compress(body))))
def test_bytes_are_a_page_or_are_refused(page: bytes) -> None:
    try:
        for key, _, cell in pages.decode(page):
            assert cell.weight
            assert len(key.label.encode()) <= pages.MOST_NAME
    except PageInvalid:
        pass


def test_a_page_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(PageInvalid, match="too long"):
        list(pages.decode(b"\x01" + zlib.compress(bytes(pages.MOST_BYTES + 1))))


def test_a_page_is_small() -> None:
    """200 series, as many as there may be."""
    book = Book()
    book.read(NOW, [(Key("round-trip", f"member-{number}"), Kind.LEVEL, level(number / 7)) for number in range(200)])
    page = pages.encode(book, MINUTE, SLOT)
    assert page is not None
    assert len(page) < 6000

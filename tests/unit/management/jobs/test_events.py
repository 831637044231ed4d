"""A ring of the newest events, and readers that are nothing but a cursor."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.management.jobs.events import (
    MOST_AT_A_TIME,
    MOST_BYTES_AT_A_TIME,
    Beat,
    Deliver,
    Event,
    Fetch,
    Reader,
    Ring,
    Stale,
    Wait,
)


def events(*ids: int, kind: str = "node.health") -> list[Event]:
    return [Event(number, kind, "{}") for number in ids]


def ids(found: Sequence[Event] | None) -> list[int] | None:
    return None if found is None else [event.id for event in found]


def ring_of(*numbers: int, newest: int = 0, most: int = 1000) -> Ring:
    ring = Ring(newest, most_events=most)
    ring.add(events(*numbers))
    return ring


def test_a_ring_knows_what_follows_a_cursor() -> None:
    ring = ring_of(1, 2, 5, 9)
    assert [ids(ring.after(cursor)) for cursor in (0, 2, 3, 9)] == [[1, 2, 5, 9], [5, 9], [5, 9], []]
    assert ids(ring.after(0, limit=2)) == [1, 2]


def test_of_what_it_has_forgotten_it_says_nothing() -> None:
    ring = ring_of(1, 2, 3, 4, most=2)
    assert [ids(ring.after(cursor)) for cursor in (0, 1, 2, 3)] == [None, None, [3, 4], [4]]


def test_nor_of_what_was_before_it_or_will_be() -> None:
    ring = ring_of(11, 12, newest=10)
    assert [ids(ring.after(cursor)) for cursor in (9, 10, 12, 13)] == [None, [11, 12], [], None]


def test_what_was_added_before_is_not_added_again() -> None:
    ring = ring_of(1, 2, 3)
    ring.add(events(2, 3, 4))
    assert ids(ring.after(0)) == [1, 2, 3, 4]


def test_a_ring_is_bounded_in_bytes() -> None:
    ring = Ring(most_bytes=10_000)
    ring.add([Event(number, "k", "x" * 1_000) for number in range(1, 101)])
    assert 1 < len(ring) < 10
    assert ring.newest == 100


def test_a_new_reader_is_told_where_it_is_before_anything_happens() -> None:
    ring = ring_of(1, 2)
    reader = Reader(None, ring.newest, now=0)
    assert reader.next(ring, 0) == Beat(2)
    assert reader.next(ring, 0) == Wait(15)
    ring.add(events(3))
    assert reader.next(ring, 1) == Deliver(events(3))
    assert reader.next(ring, 1) == Wait(15)


def test_one_that_comes_back_has_what_it_missed_and_nothing_twice() -> None:
    ring = ring_of(1, 2, 3)
    assert Reader(1, ring.newest, now=0).next(ring, 0) == Deliver(events(2, 3))


def test_silence_is_told() -> None:
    ring = ring_of(1)
    reader = Reader(1, 1, now=0)
    assert [reader.next(ring, now) for now in (0, 14, 15, 16)] == [Wait(15), Wait(1), Beat(1), Wait(14)]


def test_large_events_come_in_small_handfuls_and_each_comes() -> None:
    large = [Event(number, "node.x", "x" * MOST_BYTES_AT_A_TIME) for number in (1, 2)]
    ring = Ring()
    ring.add(large)
    reader = Reader(0, 2, 0.0)
    assert reader.next(ring, 0.0) == Deliver(large[:1])
    assert reader.next(ring, 0.0) == Deliver(large[1:])
    behind, empty = Reader(0, 2, 0.0), Ring(2)
    assert behind.fetched(large, 1, 2, empty, 0.0) == Deliver(large[:1])
    assert behind.next(empty, 0.0) == Fetch(1, MOST_AT_A_TIME)


def test_behind_the_ring_is_the_log() -> None:
    ring = ring_of(7, newest=6)
    reader = Reader(4, 7, now=0)
    assert reader.next(ring, 0) == Fetch(4, 100)
    assert reader.fetched(events(5, 6), 3, 7, ring, 0) == Deliver(events(5, 6))
    assert reader.next(ring, 0) == Deliver(events(7))


def test_who_is_too_late_for_the_log_is_told_and_goes_on_with_the_oldest() -> None:
    ring = ring_of(20, newest=19)
    reader = Reader(4, 20, now=0)
    reader.next(ring, 0)
    assert reader.fetched([], 10, 20, ring, 0) == Stale(4, 10, 20)
    assert reader.next(ring, 0) == Fetch(9, 100)


def test_a_cursor_that_nobody_ever_gave_is_as_stale() -> None:
    ring = ring_of(1, 2)
    reader = Reader(500, 2, now=0)
    assert reader.next(ring, 0) == Fetch(500, 100)
    assert reader.fetched([], 1, 2, ring, 0) == Stale(500, 1, 2)
    assert reader.next(ring, 0) == Deliver(events(1, 2))


def test_a_log_that_is_ahead_of_the_ring_makes_nobody_ask_for_ever() -> None:
    ring = ring_of(1)
    reader = Reader(0, 1, now=0)
    reader.next(ring, 0)
    reader.cursor = 3  # from the log
    assert reader.next(ring, 0) == Fetch(3, 100)
    assert reader.fetched([], 1, 3, ring, 0) is None
    assert reader.next(ring, 0) == Wait(15)
    ring.add(events(2, 3, 4))
    assert reader.next(ring, 0) == Deliver(events(4))


def test_what_a_reader_does_not_want_moves_its_cursor_all_the_same() -> None:
    ring = ring_of()
    ring.add([Event(number, "jobs.x" if number % 2 else "node.x", "{}") for number in range(1, 401)])
    reader = Reader(0, 400, now=0, wanted=lambda event: event.topic == "audit")
    assert reader.next(ring, 0) == Wait(15)
    assert reader.next(ring, 15) == Beat(400)

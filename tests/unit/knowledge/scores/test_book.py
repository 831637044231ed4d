"""The book of one node: whom it blocks by itself, and whom it does not."""

from __future__ import annotations

import pytest

from appliance.knowledge.scores.blocks import FIRST_SECONDS
from appliance.knowledge.scores.book import EASED, MOST_MEMBERS, Book, HeldOff, Surroundings
from appliance.knowledge.scores.history import BLOCKED_AT, Standing


def member(number: int) -> bytes:
    return number.to_bytes(32, "big")


def around(others: int, connected: int | None = None, named: frozenset[bytes] = frozenset()) -> Surroundings:
    """So many other members, of whom so many have a session."""
    return Surroundings(others, [member(number) for number in range(others if connected is None else connected)], named)


def forges(book: Book, number: int, now: float = 0.0, times: int = 8) -> None:
    for _ in range(times):
        book.note(member(number), "forged-statement", -10.0, now)


def test_a_member_that_forges_is_blocked_for_a_while_and_then_doubtful() -> None:
    book = Book()
    forges(book, 0)
    block = book.judge(member(0), around(10), 0.0)
    assert block is not None
    assert (block.reason, block.automatic, block.until) == ("forged-statement", True, FIRST_SECONDS)
    assert book.due(FIRST_SECONDS - 1) == []
    assert book.due(FIRST_SECONDS) == [(member(0), block)]
    assert book.value(member(0), FIRST_SECONDS) == pytest.approx(-EASED, abs=0.1)
    assert book.standing(member(0), FIRST_SECONDS) is Standing.DOUBTFUL
    forges(book, 0, FIRST_SECONDS, times=3)
    again = book.judge(member(0), around(10), FIRST_SECONDS)
    assert again is not None
    assert again.until - again.since == 2 * FIRST_SECONDS


def test_one_that_fails_at_times_is_not_blocked() -> None:
    book = Book()
    for second in range(10_000):
        book.note(member(0), "unanswered", -1.0, float(second))
        assert book.judge(member(0), around(10), float(second)) is None
    assert book.standing(member(0), 10_000.0) is Standing.DOUBTFUL
    assert not book.held_off


def test_the_last_way_into_the_network_is_never_blocked() -> None:
    book = Book()
    forges(book, 0)
    assert book.judge(member(0), around(1), 0.0) is None
    assert book.held_off == {member(0): HeldOff.LAST_WAY}
    assert book.judge(member(0), around(50, connected=1), 0.0) is None, "others there are, but no session with them"
    assert book.judge(member(0), around(50, connected=2), 0.0) is not None
    assert not book.held_off


def test_a_peer_of_the_profile_is_never_blocked_by_the_node() -> None:
    book = Book()
    forges(book, 0)
    assert book.judge(member(0), around(10, named=frozenset({member(0)})), 0.0) is None
    assert book.held_off == {member(0): HeldOff.NAMED}


def test_when_many_look_bad_at_once_the_node_suspects_itself() -> None:
    book = Book()
    for number in range(6):
        forges(book, number)
    assert [book.judge(member(number), around(10), 0.0) for number in range(6)] == [None] * 6
    assert set(book.held_off.values()) == {HeldOff.SUSPECT}
    assert book.counters["held-off-many-look-bad"] == 6


def test_no_more_than_a_share_of_the_network_is_blocked_at_a_time() -> None:
    book = Book()
    for number in range(100):
        forges(book, number)
        book.judge(member(number), around(100), 0.0)
    assert len(book.blocks) == 33
    assert HeldOff.SHARE in book.held_off.values()
    assert book.due(FIRST_SECONDS)
    assert not book.blocks
    book.note(member(99), "forged-statement", -10.0, FIRST_SECONDS)
    book.forget([], FIRST_SECONDS)
    assert not book.held_off, "of whom nothing is known nothing is held off"


def test_of_two_others_one_may_be_blocked() -> None:
    book = Book()
    forges(book, 0)
    assert book.judge(member(0), around(2), 0.0) is not None
    forges(book, 1)
    assert book.judge(member(1), around(2), 0.0) is None, "the other one is all that is left"


def test_to_unblock_by_hand_forgives_what_was() -> None:
    book = Book()
    forges(book, 0)
    assert book.judge(member(0), around(10), 0.0) is not None
    assert book.unblock(member(0), 1.0) is not None
    assert book.value(member(0), 1.0) == 0.0
    assert book.unblock(member(0), 1.0) is None
    forges(book, 0, 1.0, times=1)
    assert book.judge(member(0), around(10), 1.0) is None


def test_ten_thousand_members_cost_no_more_than_is_allowed_and_the_worst_stay_known() -> None:
    book = Book()
    forges(book, 0)
    for number in range(1, 10_001):
        book.note(member(number), "answered", 1.0, float(number) / 1000)
    assert len(book.histories) <= MOST_MEMBERS
    assert book.value(member(0), 10.0) <= BLOCKED_AT
    assert book.counters["histories-forgotten"] > 0


def test_nobody_is_kept_who_is_no_member_any_more() -> None:
    book = Book()
    forges(book, 0)
    forges(book, 1)
    book.forget({member(1)}, 0.0)
    assert set(book.histories) == {member(1)}

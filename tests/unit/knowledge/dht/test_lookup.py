"""The way to a point: whom a look-up asks, and when it ends."""

from __future__ import annotations

from appliance.knowledge.dht.ids import BITS, Id
from appliance.knowledge.dht.lookup import ALPHA, LOOKUP_SECONDS, MOST_ASKED, SLOW_SECONDS, WIDE, Lookup
from appliance.knowledge.dht.wire import K

TARGET = 0
STEP = 1 << BITS - 8
"""The distance of two of 256 members that are spread evenly."""


def member(number: int) -> bytes:
    return number.to_bytes(32, "big")


def at(number: int) -> tuple[bytes, Id]:
    """The member so many steps from the target."""
    return member(number), number * STEP + 1


def lookup(*numbers: int, members: int = 256) -> Lookup:
    return Lookup(TARGET, map(at, numbers), members, 0.0)


def test_three_are_asked_at_a_time_each_on_a_path_of_its_own() -> None:
    one = lookup(*range(100, 120))
    asked = one.next(0.0)
    assert asked == [member(100), member(101), member(102)]
    assert {one.path(each) for each in asked} == {0, 1, 2}
    assert one.next(0.0) == []
    one.answered(member(100), [at(50)])
    assert one.next(0.1) == [member(50)], "the path goes on where its members pointed"
    assert one.path(member(50)) == one.path(member(100))
    assert one.depth(member(50)) == 2


def test_it_ends_when_the_twenty_closest_have_answered() -> None:
    one = lookup(*range(100, 103))
    asked: list[bytes] = []
    while not one.ended:
        new = one.next(0.0)
        assert len(new) <= WIDE
        asked += new
        for each in new:
            one.answered(each, [at(number) for number in range(30)])
    assert one.closest() == [member(number) for number in range(K)]
    assert len(asked) == K + ALPHA


def test_who_is_slow_is_passed_over_and_counts_when_it_answers_after_all() -> None:
    one = lookup(1, 2, 3, 4)
    assert one.next(0.0) == [member(1), member(2), member(3)]
    assert one.due() == SLOW_SECONDS
    one.answered(member(2), [])
    one.answered(member(3), [])
    assert one.next(0.1) == [member(4)]
    one.answered(member(4), [])
    assert one.next(0.2) == []
    assert not one.ended
    assert one.next(SLOW_SECONDS) == []
    assert one.ended
    assert one.closest() == [member(2), member(3), member(4)]
    one.answered(member(1), [])
    assert one.closest()[0] == member(1)


def test_one_silent_member_after_the_other_costs_no_more_than_the_limit() -> None:
    one = lookup(*range(1, 200))
    now = 0.0
    asked = 0
    while not one.ended:
        asked += len(one.next(now))
        now = one.due()
    assert now == LOOKUP_SECONDS
    assert asked == ALPHA * 4


def test_who_names_members_without_end_does_not_make_it_endless() -> None:
    one = lookup(200, members=2**40)
    number, asked = 10**6, 0
    while not one.ended:
        new = one.next(0.0)
        asked += len(new)
        for each in new:
            number -= K
            one.answered(each, [(member(number + more), number + more) for more in range(K)])
    assert asked == MOST_ASKED


def test_a_failed_member_is_replaced_by_the_next() -> None:
    one = lookup(1, 2, 3, 4)
    one.next(0.0)
    one.failed(member(1))
    assert one.next(0.0) == [member(4)]


def test_of_members_closer_together_than_chance_two_count() -> None:
    ground = [(member(number), number) for number in range(1000, 1100)]
    one = Lookup(TARGET, [*ground, *map(at, range(1, 30))], 256, 0.0)
    while not one.ended:
        for each in one.next(0.0):
            one.answered(each, [])
    closest = one.closest()
    assert len(closest) == K
    assert sum(each in dict(ground) for each in closest) == 2


def test_a_liar_leads_one_path_astray_only() -> None:
    """Two paths come to the honest members, whatever the third one names."""
    one = lookup(100, 101, 102)
    liars = {member(100), *(member(number) for number in range(300, 400))}
    while not one.ended:
        for each in one.next(0.0):
            named = range(300, 330) if each in liars else range(0, 100, 5)
            one.answered(each, [at(number) if number < 300 else (member(number), number * STEP >> 1) for number in named])
    assert one.closest()[:10] == [member(number) for number in range(0, 50, 5)]


def test_without_anybody_it_ends_at_once() -> None:
    one = lookup()
    assert one.next(0.0) == []
    assert one.ended
    assert one.closest() == []

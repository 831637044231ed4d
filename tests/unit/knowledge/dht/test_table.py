"""Who is in the table, and who keeps the place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.dht.ids import BITS, Id
from appliance.knowledge.dht.table import GROUP_MOST, MOST_FAILURES, MOST_WAITING, Table
from appliance.knowledge.dht.wire import K

OWN = 0
FAR = 1 << BITS - 1


def member(number: int) -> bytes:
    return number.to_bytes(32, "big")


def spread(number: int) -> Id:
    """In the farthest bucket, evenly."""
    return FAR | number % 16 << BITS - 5 | number


def filled() -> Table:
    table = Table(OWN)
    for number in range(K):
        assert table.heard(member(number), spread(number), float(number))
    return table


def test_who_is_in_stays_in_and_a_newcomer_waits_for_a_place() -> None:
    table = filled()
    assert not table.heard(member(99), spread(99), 100.0)
    assert len(table) == K
    assert member(99) not in table
    assert table.failed(member(3)) is None, "once may be chance"
    assert table.failed(member(3)) == member(99), "it is asked, and comes in when it answers"
    assert member(3) not in table
    assert table.heard(member(99), spread(99), 101.0)


def test_without_a_newcomer_a_silent_member_stays_for_five_questions_and_comes_last() -> None:
    table = filled()
    nearest = table.closest(spread(3), 1)[0]
    assert nearest.member == member(3)
    for _ in range(MOST_FAILURES - 1):
        assert table.failed(member(3)) is None
        assert [each.member for each in table.closest(spread(3))][-1] == member(3)
    table.failed(member(3))
    assert member(3) not in table
    table.failed(member(3))


def test_an_answer_makes_good_what_was_missed() -> None:
    table = filled()
    table.failed(member(3))
    table.heard(member(3), spread(3), 50.0)
    contact = table.get(member(3))
    assert contact is not None
    assert (contact.failures, contact.heard, contact.proved) == (0, 50.0, 3.0)
    assert list(table)[-1].member == member(3), "the least recently heard is the first"


def test_ids_ground_to_be_close_together_have_a_few_places_of_a_bucket_only() -> None:
    table = Table(OWN)
    prefix = FAR | 0b1010 << BITS - 5
    entered = [table.heard(member(number), prefix | number, 0.0) for number in range(200)]
    assert sum(entered) == GROUP_MOST
    assert table.heard(member(999), spread(1), 0.0), "there is room for others"


def test_few_newcomers_wait_and_what_is_removed_is_gone() -> None:
    table = filled()
    for number in range(100, 200):
        table.heard(member(number), spread(number), 0.0)
    assert len(table._waiting[BITS - 1]) == MOST_WAITING
    table.remove(member(199))
    for number in range(K):
        table.remove(member(number))
        table.remove(member(number))
    assert (len(table), table.buckets, list(table)) == (0, 0, [])
    assert not +table._groups
    assert table.heard(member(1), spread(1), 0.0)


def test_a_node_is_not_in_its_own_table() -> None:
    table = Table(OWN)
    assert not table.heard(member(1), OWN, 0.0)
    assert len(table) == 0


@given(st.sets(st.integers(1, 2**BITS - 1), max_size=60), st.integers(0, 2**BITS - 1), st.integers(1, 2**BITS - 1))
def test_the_closest_are_those_with_the_smallest_distance(points: set[Id], target: Id, other: Id) -> None:
    table = Table(OWN)
    for point in points:
        table.heard(member(point), point, 0.0)
    inside = [each.id for each in table]
    assert [each.id for each in table.closest(target)] == sorted(inside, key=lambda each: each ^ target)[:K]
    assert table.closer(target, other) == sum(each ^ target < other ^ target for each in inside)
    assert (
        table.rank(target, other) == sum(each ^ target < OWN ^ target for each in inside if each != other) or other not in inside
    )
    assert table.is_near(other) == (sum(each ^ OWN < other ^ OWN for each in inside) < K)

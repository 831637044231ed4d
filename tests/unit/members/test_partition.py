from __future__ import annotations

import random

from appliance.members.effects import Happening, Told
from appliance.members.partition import QUIET_SECONDS, WINDOW, Partition, State
from tests.unit.members.rows import member

MANY = [member(f"n{n}") for n in range(100)]


def make() -> Partition:
    return Partition(random.Random(1).random, 0.0)


def lose(found: Partition, number: int, of: int = 100, at: float = 10.0) -> None:
    for done, each in enumerate(MANY[:number]):
        found.lose(each, of - done - 1, at)


def test_a_few_are_everyday_and_many_at_once_are_not() -> None:
    found = make()
    lose(found, 24)
    assert found.state is State.WHOLE
    found.lose(MANY[24], 75, 10.0)
    assert found.state is State.PARTED
    assert found.told == [Told(Happening.PARTED, numbers=(25, 75))]


def test_many_one_after_the_other_are_everyday() -> None:
    found = make()
    for number, each in enumerate(MANY[:60]):
        found.lose(each, 99 - number, number * WINDOW / 8)
    assert found.state is State.WHOLE


def test_of_two_nodes_one_that_dies_is_no_partition() -> None:
    found = make()
    found.lose(MANY[0], 0, 10.0)
    assert found.state is State.WHOLE


def test_it_heals_when_most_are_back() -> None:
    found = make()
    lose(found, 40)
    for each in MANY[:19]:
        assert found.regain(each)
    assert found.state is State.PARTED
    found.regain(MANY[19])
    assert found.state is State.WHOLE
    assert found.told[-1] == Told(Happening.HEALED, numbers=(20, 20))


def test_who_was_removed_meanwhile_is_not_waited_for() -> None:
    found = make()
    lose(found, 40)
    found.keep(dict.fromkeys(MANY[30:]))
    assert set(found.lost) == set(MANY[30:40])
    for each in MANY[30:35]:
        found.regain(each)
    assert found.state is State.WHOLE


def test_lost_members_are_called_by_all_together_about_so_often() -> None:
    found = make()
    assert found.next_due() is None
    lose(found, 50)
    calls, now = 0, 10.0
    while now < 1000.0:
        assert found.is_due(now)
        assert found.due(49, now) in found.lost
        calls += 1
        now = found.next_due() or 0.0
    assert 10 < calls < 50


def test_one_lost_member_is_called_seldom() -> None:
    found = make()
    found.lose(MANY[0], 9, 1000.0)
    assert found.next_due() == 1000.0 + QUIET_SECONDS

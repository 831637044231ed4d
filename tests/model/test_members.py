"""Hundreds of members in virtual time (rigs/society.py), a thousand in the long form.

What they know, whom they keep, and whom they take for dead.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator
from math import inf

import pytest
from rigs.society import SHARED, Member, Society

from appliance.members.effects import Happening
from appliance.members.machine import Standing
from appliance.members.neighbours import ACTIVE
from appliance.members.partition import State
from appliance.members.row import Row, sign_row

pytestmark = pytest.mark.no_cover  # the same code is measured by its own tests; here it would take three times as long
CONVERGED = 30.0
"""Seconds of virtual time."""


@pytest.fixture(autouse=True)
def _share(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What one node of this process has checked, no other one checks again."""
    for (module, name), shared in SHARED.items():
        monkeypatch.setattr(module, name, shared)
    gc.disable()  # looking through a million entries again and again is half of the time
    yield
    gc.enable()


def founded(size: int, seed: int = 1) -> Society:
    society = Society(size, seed)
    society.found()
    society.run(10.0)
    assert society.is_connected()
    return society


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [300, pytest.param(1000, marks=pytest.mark.slow)])
def test_all_members_agree_within_half_a_minute_of_the_churn_of_a_fifth(size: int) -> None:
    society = founded(size)
    members = list(society)
    society.random.shuffle(members)
    leaving, staying = members[: size // 10], members[size // 10 :]
    for number, each in enumerate(leaving):
        society.clock.call_later(10 * society.random.random(), each.leave if number % 2 else each.stop)
        society.clock.call_later(10 * society.random.random(), lambda: society.join(society.random.choice(staying)))
    society.run(10.0)
    assert society.run_until(society.agree, CONVERGED, every=3.0) <= CONVERGED
    assert society.run_until(society.is_connected, CONVERGED) <= CONVERGED
    assert len(society.up) == size
    rows = society.up[0].machine.roster.rows
    assert {each.digest for each in society.up} <= rows.keys()
    assert all(1 <= len(each.machine.neighbours.active) <= ACTIVE for each in society.up)
    gone = {each.digest for each in leaving}
    assert all(told.member in gone for each in society.up for told in each.said(Happening.DIED))


def test_a_node_that_sleeps_half_the_time_kills_nobody() -> None:
    society = founded(150)
    sleepers = list(society)[:8]

    def sleep(member: Member) -> None:
        member.asleep = True
        society.clock.call_later(2.0, member.wake)
        society.clock.call_later(4.0, functools.partial(sleep, member))

    for each in sleepers:
        society.clock.call_later(4 * society.random.random(), functools.partial(sleep, each))
    society.run(180.0)
    assert not [told for each in society for told in each.said(Happening.DIED)]
    assert all(each.machine.swim.health > 0 for each in sleepers), "they suspect themselves"
    assert society.counters["liveness.ping"] / len(society.members) / 190 <= 0.5 * ACTIVE


def test_an_idle_network_probes_each_peer_less_than_once_in_two_seconds_and_says_little() -> None:
    society = founded(150)
    society.run(120.0)
    before = society.counters.copy()
    society.run(120.0)
    spent = society.counters - before
    probes = sum(number for kind, number in spent.items() if kind in {"liveness.ping", "liveness.ack", "liveness.ask"})
    neighbours = sum(len(each.machine.neighbours.active) for each in society)
    assert probes / neighbours <= 120 / 2
    assert not {"roster.buckets", "roster.have", "roster.entries"} & spent.keys()


def test_a_change_and_a_removal_reach_everybody_within_ten_seconds() -> None:
    society = founded(300)
    society.run(120.0)
    first, other, gone, *_ = society
    first.publish(1111)
    society.run(0.1)
    assert society.run_until(society.agree, 10.0) <= 10.0
    society.run(30.0)
    other.learn(society.owner.revoke(gone.digest))
    left = [each for each in society if each is not gone]
    assert society.run_until(lambda: society.agree(left), 10.0) <= 10.0
    assert all(gone.digest not in each.machine.neighbours.active for each in left)


def test_two_halves_go_on_and_join_again_with_all_that_both_learnt() -> None:
    society = founded(120)
    members = list(society)
    society.random.shuffle(members)
    halves = members[:60], members[60:]
    society.cut(halves[0], 1)
    society.run(60.0)
    for each in members:
        assert each.said(Happening.PARTED)
        assert each.machine.partition.state is State.PARTED
    for number, half in enumerate(halves):
        half[1].publish(1000 + number)
        half[2].learn(society.owner.revoke(half[3].digest))
    society.run(20.0)
    for half in halves:
        left = [each for each in half if each is not half[3]]
        assert society.agree(left), "a half works on its own"
        assert {each.machine.roster.rows[half[1].digest].sequence for each in left} == {2}
    for each in halves[0]:
        each.part = 0
    revoked = {half[3].digest for half in halves}
    honest = [each for each in members if each.digest not in revoked]
    assert society.run_until(lambda: all(each.statements.revoked == revoked for each in honest), 10.0) <= 10.0
    assert society.run_until(lambda: society.agree(honest), 60.0) < inf
    assert society.run_until(lambda: all(each.said(Happening.HEALED) for each in honest), 60.0) < inf
    for each in honest:
        assert each.statements.revoked == revoked
        assert not revoked & each.machine.roster.rows.keys()
        assert [each.machine.roster.rows[half[1].digest].endpoints[0].endpoint.port for half in halves] == [1000, 1001]
        assert all(each.machine.standing(other.digest) is not Standing.DEAD for other in honest)


def test_forged_rows_of_a_hostile_member_do_not_spread() -> None:
    society = founded(60)
    hostile, victim, *others = society
    before = victim.machine.roster.row_of(victim.digest)
    roster = hostile.machine.roster
    forged = sign_row(Row(roster.network, victim.digest, 99, int(society.wall)), hostile.key.sign)
    roster._verify = lambda *_: True
    hostile.machine.reconciling.recall(forged, society.wall)
    hostile.machine._after(hostile.digest, society.now, society.wall)
    hostile.act()
    society.run(60.0)
    assert roster.row_of(victim.digest) == forged
    for each in (victim, *others):
        assert each.machine.roster.row_of(victim.digest) == before
    refused = sum(each.machine.roster.refused.total() for each in others)
    assert 0 < refused <= 3 * len(others), "what was refused is not asked for again and again"

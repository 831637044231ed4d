"""How short a host is, reading by reading: a look a second, told by a test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.profile_pressure import Pressure as Section
from appliance.protocol.pressure import CALM, CONFIRM, Change, Grade, Left, Limits, Pressure, Readings, Resource

MIB = 1 << 20
HOST = 4096 * MIB
PLENTY = Readings(0.0, 0.0, Left(HOST, HOST), 0.0, Left(1000, 1024), Left(HOST, HOST))
FEW = PLENTY._replace(memory=Left(50 * MIB, HOST))
NONE = PLENTY._replace(memory=Left(10 * MIB, HOST))


def after(*readings: tuple[Readings, int], limits: Limits | None = None) -> Pressure:
    pressure = Pressure(limits or Limits())
    for reading, times in readings:
        for _ in range(times):
            pressure.take(reading)
    return pressure


def test_a_host_with_plenty_is_well() -> None:
    pressure = after((PLENTY, 100))
    assert (pressure.worst, dict(pressure.shown())) == (Grade.WELL, {})


def test_one_reading_is_an_accident() -> None:
    pressure = after(*[(NONE, CONFIRM - 1), (PLENTY, 1)] * 20)
    assert pressure.worst is Grade.WELL


def test_what_lasts_is_told_once_with_the_figures_and_its_end_too() -> None:
    pressure = Pressure(Limits())
    told = [change for reading, times in ((FEW, 20), (PLENTY, 20)) for _ in range(times) for change in pressure.take(reading)]
    reason = "50 MiB of memory can still be had"
    assert told == [Change(Resource.MEMORY, Grade.STRAINED, reason), Change(Resource.MEMORY, Grade.WELL, reason)]


def test_it_gets_worse_and_better_step_by_step() -> None:
    pressure = after((NONE, CONFIRM))
    assert pressure.grade(Resource.MEMORY) is Grade.STRAINED
    pressure = after((NONE, 2 * CONFIRM))
    assert pressure.grade(Resource.MEMORY) is Grade.EXHAUSTED
    assert pressure.shown() == {"memory": "10 MiB of memory can still be had"}
    assert after((NONE, 2 * CONFIRM), (PLENTY, CALM)).grade(Resource.MEMORY) is Grade.STRAINED
    assert after((NONE, 2 * CONFIRM), (PLENTY, 2 * CALM)).worst is Grade.WELL
    assert after((NONE, 2 * CONFIRM), (FEW, 100)).worst is Grade.STRAINED


def test_what_wavers_about_the_limit_does_not_flap() -> None:
    above, below = PLENTY._replace(memory=Left(63 * MIB, HOST)), PLENTY._replace(memory=Left(66 * MIB, HOST))
    pressure, changes = after((above, CONFIRM)), 0
    for _ in range(100):
        changes += len(pressure.take(below)) + len(pressure.take(above)) + len(pressure.take(below))
    assert (changes, pressure.worst) == (0, Grade.STRAINED)


@pytest.mark.parametrize(
    ("reading", "resource"),
    [
        (PLENTY._replace(late=1.2), Resource.CPU),
        (PLENTY._replace(late=0.6, cpu=95.0), Resource.CPU),
        (PLENTY._replace(stalled=25.0), Resource.MEMORY),
        (PLENTY._replace(descriptors=Left(30, 1024)), Resource.DESCRIPTORS),
        (PLENTY._replace(disk=Left(10 * MIB, HOST)), Resource.DISK),
    ],
)
def test_each_resource_has_its_limit(reading: Readings, resource: Resource) -> None:
    pressure = after((reading, CONFIRM))
    assert list(pressure.shown()) == [str(resource)]
    assert pressure.grade(resource) is Grade.STRAINED


def test_a_busy_host_alone_turns_nobody_away() -> None:
    """Tests, builds and backups keep all processors of a host busy, and nobody waits for the node."""
    assert after((PLENTY._replace(cpu=100.0, late=0.4), 100)).worst is Grade.WELL
    assert after((PLENTY._replace(late=0.9), 100)).worst is Grade.WELL


def test_of_a_small_host_a_share_counts() -> None:
    """A router of 128 MiB has never 64 MiB to spare, and 64 descriptors are enough for some."""
    small = Readings(memory=Left(20 * MIB, 128 * MIB), descriptors=Left(20, 64), disk=Left(9 * MIB, 16 * MIB))
    assert after((small, 100)).worst is Grade.WELL
    smaller = Readings(memory=Left(5 * MIB, 128 * MIB), descriptors=Left(7, 64), disk=Left(MIB // 2, 16 * MIB))
    assert after((smaller, CONFIRM)).shown().keys() == {"memory", "descriptors", "disk"}


def test_what_cannot_be_known_and_what_nobody_wants_to_know_never_counts() -> None:
    assert after((Readings(), 100)).worst is Grade.WELL
    nothing = Readings(60.0, 100.0, Left(0, HOST), 100.0, Left(0, 64), Left(0, HOST))
    assert after((nothing, 100), limits=Limits(0.0, 0.0, 0, 0.0, 0, 0)).worst is Grade.WELL
    assert after((nothing, 2 * CONFIRM)).shown().keys() == set(Resource)


def test_limits_that_change_count_from_the_next_look_on() -> None:
    pressure = after((FEW, CONFIRM))
    pressure.limits = Limits(memory=0)
    for _ in range(CALM):
        pressure.take(FEW)
    assert pressure.worst is Grade.WELL


def test_a_profile_without_a_word_has_these_limits() -> None:
    assert Limits.of(Section()) == Limits()


left = st.one_of(st.none(), st.builds(Left, st.integers(-5, 1 << 62), st.integers(0, 1 << 62)))
number = st.one_of(st.none(), st.floats(0, 1e6))


@given(st.lists(st.builds(Readings, number, number, left, number, left, left), max_size=50))
def test_whatever_is_read_a_grade_moves_one_step_at_a_time(readings: list[Readings]) -> None:
    pressure = Pressure(Limits())
    for reading in readings:
        before = {resource: pressure.grade(resource) for resource in Resource}
        for change in pressure.take(reading):
            assert abs(change.grade - before[change.resource]) == 1
            assert change.reason
        assert (pressure.worst is Grade.WELL) == (not pressure.shown())

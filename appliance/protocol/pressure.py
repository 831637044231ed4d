"""How short a host is of what everything needs, judged reading by reading. Pure.

    readings ─▶ how short? 1: at the limit, 2: twice as short ─▶ three in a row ─▶ strained, exhausted
                                                               └─ five well below it ─▶ back

Who asks decides what follows: the node wants proofs of address first and then no strangers, the API server turns strangers away
and then everybody but the host's own root.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from appliance.api.profile_pressure import Pressure as Section

CONFIRM: Final = 3
"""Readings in a row beyond a limit until it counts: one is an accident."""
CALM: Final = 5
"""Readings in a row below it until it is over, so that work which comes back at once does not make it flap."""
CLEAR: Final = 0.8
"""Of the limit: from it down a reading is below it."""
EXHAUSTED_AT: Final = 2.0
"""Times as short as the limit says."""
BUSY_HOST: Final = 2.0
"""Where the whole host waits for its processors, a late loop counts so many times: it will not get better by itself."""


SHARES: Final = {"memory": 16, "descriptors": 8, "disk": 20}
"""On a small host the limit is this part of what there is at most, so that nobody is turned away for ever."""


class Resource(StrEnum):
    """What one can be short of."""

    CPU = "cpu"
    MEMORY = "memory"
    DESCRIPTORS = "descriptors"
    DISK = "disk"


class Grade(IntEnum):
    """How short."""

    WELL = 0
    STRAINED = 1
    EXHAUSTED = 2


class Limits(NamedTuple):
    """From where on one is strained. 0: never."""

    late: float = 1.0
    """Seconds by which the event loop is late."""
    cpu: float = 90.0
    """Percent of the time in which something waits for a processor: from there on a host is busy."""
    memory: int = 64 << 20
    """Bytes that can still be had."""
    stalled: float = 20.0
    """Percent of the time in which nothing got on, for want of memory."""
    descriptors: int = 32
    """That this process may still open."""
    disk: int = 16 << 20
    """Bytes free."""

    @classmethod
    def of(cls, pressure: Section) -> Limits:
        """As a profile says."""
        return cls(pressure.late, pressure.cpu, pressure.memory, pressure.stalled, pressure.descriptors, pressure.disk)


class Left(NamedTuple):
    """What is left of something."""

    free: int
    most: int


class Readings(NamedTuple):
    """What was seen at one moment, in the units of `Limits`. None: it cannot be known here."""

    late: float | None = None
    cpu: float | None = None
    memory: Left | None = None
    stalled: float | None = None
    descriptors: Left | None = None
    disk: Left | None = None


class Change(NamedTuple):
    """A resource has another grade now. `reason`: a sentence with the figures."""

    resource: Resource
    grade: Grade
    reason: str


class _State:
    """One resource."""

    def __init__(self) -> None:
        self.grade = Grade.WELL
        self.reason = ""
        self._above = self._below = 0

    def take(self, shortage: float) -> bool:
        """Has the grade changed? A raise is to the least grade that all readings in a row had, one step at a time."""
        wanted = Grade.EXHAUSTED if shortage >= EXHAUSTED_AT else Grade.STRAINED if shortage >= 1 else Grade.WELL
        own = 0.0 if self.grade is Grade.WELL else 1.0 if self.grade is Grade.STRAINED else EXHAUSTED_AT
        self._above = self._above + 1 if wanted > self.grade else 0
        self._below = self._below + 1 if shortage <= own * CLEAR else 0
        if self._above >= CONFIRM:
            self.grade = Grade(self.grade + 1)
        elif self.grade is not Grade.WELL and self._below >= CALM:
            self.grade = Grade(self.grade - 1)
        else:
            return False
        self._above = self._below = 0
        return True


class Pressure:
    """Told of one host, and of one process on it, every second."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._states = {resource: _State() for resource in Resource}

    def take(self, readings: Readings) -> list[Change]:
        """What is different now."""
        found = []
        for resource, judge in _JUDGES.items():
            state = self._states[resource]
            shortage, reason = judge(readings, self.limits)
            if shortage >= CLEAR:
                state.reason = reason
            if state.take(shortage):
                found.append(Change(resource, state.grade, state.reason))
        return found

    def grade(self, resource: Resource) -> Grade:
        """How short of that."""
        return self._states[resource].grade

    @property
    def worst(self) -> Grade:
        """Of all resources."""
        return max(state.grade for state in self._states.values())

    def shown(self) -> Mapping[str, str]:
        """What is short, each with the reason."""
        return {str(name): state.reason for name, state in self._states.items() if state.grade is not Grade.WELL}


Judge = Callable[[Readings, Limits], tuple[float, str]]
"""How short, and why."""


def _cpu(readings: Readings, limits: Limits) -> tuple[float, str]:
    late = readings.late or 0.0
    if not limits.late:
        return 0.0, ""
    busy = bool(limits.cpu) and readings.cpu is not None and readings.cpu >= limits.cpu
    more = f", and something waits for a processor {readings.cpu:.0f} % of the time" if busy else ""
    return late / limits.late * (BUSY_HOST if busy else 1.0), f"the event loop is {late:.1f} s late{more}"


def _memory(readings: Readings, limits: Limits) -> tuple[float, str]:
    shortage, told = _shortage("memory", readings.memory, limits.memory, "of memory can still be had")
    stalled = (readings.stalled or 0.0) / limits.stalled if limits.stalled else 0.0
    if stalled > shortage:
        return stalled, f"nothing gets on for want of memory {readings.stalled:.0f} % of the time"
    return shortage, told


def _descriptors(readings: Readings, limits: Limits) -> tuple[float, str]:
    return _shortage("descriptors", readings.descriptors, limits.descriptors, "descriptors can still be opened")


def _disk(readings: Readings, limits: Limits) -> tuple[float, str]:
    return _shortage("disk", readings.disk, limits.disk, "of disk are free")


_JUDGES: Final[Mapping[Resource, Judge]] = {
    Resource.CPU: _cpu,
    Resource.MEMORY: _memory,
    Resource.DESCRIPTORS: _descriptors,
    Resource.DISK: _disk,
}


def _shortage(name: str, left: Left | None, limit: int, words: str) -> tuple[float, str]:
    if left is None or not limit:
        return 0.0, ""
    free = f"{left.free}" if name == "descriptors" else f"{left.free / (1 << 20):.0f} MiB"
    limit = min(limit, left.most // SHARES[name])
    return (limit / left.free if left.free > 0 else 2 * EXHAUSTED_AT), f"{free} {words}"

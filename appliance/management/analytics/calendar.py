"""What time a reading is put under, by a wall clock that may jump and a monotonic one that does not.

A clock that is set back makes what comes after it untrue: that is forgotten. One that is set far ahead would empty every ring, so
it is believed only when it has stayed there for a minute; a step of a second or two is neither.
"""

from __future__ import annotations

from typing import Final, NamedTuple

JUMP: Final = 2.0
"""Seconds by which the two clocks may differ between two readings; more is a jump. NTP slews smaller errors."""
FAR: Final = 3600.0
"""Seconds ahead that are doubted at first: the length of the finest ring."""
DOUBT: Final = 60.0
"""For so many seconds."""


class Moment(NamedTuple):
    """A reading's time."""

    at: int | None
    """Unix seconds; None: the clock is in doubt, and the reading has no time."""
    elapsed: float | None
    """Seconds since the reading before it; None for the first."""
    jump: float = 0.0
    """Seconds by which the wall clock was set since then: ahead if positive; 0 if it was not."""
    back: bool = False
    """What is under later times than `at` is to be forgotten."""


class Calendar:
    """Told of the clocks with each reading."""

    def __init__(self) -> None:
        self._wall = self._monotonic = 0.0
        self._began = False
        self._newest = 0
        self._doubted: float | None = None

    def moment(self, wall: float, monotonic: float) -> Moment:
        """The time of a reading. `wall` is in Unix seconds."""
        elapsed = monotonic - self._monotonic if self._began else None
        jump = 0.0 if elapsed is None else wall - self._wall - elapsed
        jump = jump if abs(jump) > JUMP else 0.0
        self._wall, self._monotonic, self._began = wall, monotonic, True
        if jump > FAR:
            self._doubted = monotonic
        elif jump < -JUMP:
            self._doubted = None
        if self._doubted is not None and monotonic - self._doubted < DOUBT:
            return Moment(None, elapsed, jump)
        self._doubted = None
        at = max(int(wall), 0)
        back = at < self._newest - JUMP
        self._newest = at if back else max(at, self._newest)
        return Moment(self._newest, elapsed, jump, back)

    def was(self, at: int) -> None:
        """Something is known from `at` already."""
        self._newest = max(self._newest, at)

"""A wall clock for what cannot be taken back. Pure: the readings come in.

A wall clock is wrong at times: after a boot, until the first answer of a time server, or because somebody typed a date. What is
only hidden by such a clock comes back with the right time; what was deleted does not. So who deletes by age goes by the slowest
clock of the last hour.
"""

from __future__ import annotations

from typing import Final

HOLD: Final = 3600.0
"""Seconds for which a clock has to go right before it is believed: so long time servers and admins have to set it."""


class SlowestClock:
    """`read` it again and again, once in HOLD at least."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._before = -float("inf")
        self._lowest = float("inf")

    def read(self, wall: float, elapsed: float) -> float:
        """A moment that is over for certain, in Unix seconds: as the slowest clock of the last one to two HOLDs has it, and minus
        infinity within the first. `wall`: Unix seconds now; `elapsed`: seconds of a clock that nobody sets."""
        offset = wall - elapsed
        if self._began is None:
            self._began = elapsed
        if elapsed - self._began >= HOLD:
            self._before, self._lowest, self._began = self._lowest, offset, elapsed
        self._lowest = min(self._lowest, offset)
        return elapsed + min(self._before, self._lowest)

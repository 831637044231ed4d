"""The time in which somebody must confirm a change of profile, or it is taken back. A host that sleeps does not stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from appliance.foundation import clock

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the clock, because timers of the event loop stand still while the host sleeps."""


class Countdown:
    """At most one at a time. `now` is a clock that goes on while the host sleeps, and that nobody sets."""

    def __init__(self, now: Callable[[], float] = clock.since_boot) -> None:
        self._now = now
        self._until = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self.overdue = False
        """The time has run out, and going back has not begun."""

    @property
    def runs(self) -> bool:
        """Does a change await its confirmation?"""
        return self._handle is not None

    def begin(self, seconds: float, expired: Callable[[], None]) -> None:
        """Call `expired` unless `end` comes before."""
        self._until = self._now() + seconds
        self._wait(expired)

    def end(self) -> None:
        """It was confirmed, or taken back. Safe to call when there is none."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def seconds_left(self) -> float | None:
        """How long there is to confirm, None when nothing awaits it."""
        return None if self._handle is None else max(0.0, round(self._until - self._now(), 1))

    def _wait(self, expired: Callable[[], None]) -> None:
        left = max(0.0, self._until - self._now())
        self._handle = asyncio.get_running_loop().call_later(min(left, LOOK_EVERY), self._look, expired)

    def _look(self, expired: Callable[[], None]) -> None:
        if self._now() < self._until:
            self._wait(expired)
            return
        self._handle, self.overdue = None, True
        expired()

"""The time in which somebody must confirm a change of profile, or it is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Countdown:
    """At most one at a time."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None
        self.overdue = False
        """The time has run out, and going back has not begun."""

    @property
    def runs(self) -> bool:
        """Does a change await its confirmation?"""
        return self._handle is not None

    def begin(self, seconds: float, expired: Callable[[], None]) -> None:
        """Call `expired` unless `end` comes before."""
        self._handle = asyncio.get_running_loop().call_later(seconds, self._expired, expired)

    def end(self) -> None:
        """It was confirmed, or taken back. Safe to call when there is none."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def seconds_left(self, now: float) -> float | None:
        """How long there is to confirm, None when nothing awaits it."""
        return None if self._handle is None else max(0.0, round(self._handle.when() - now, 1))

    def _expired(self, expired: Callable[[], None]) -> None:
        self._handle, self.overdue = None, True
        expired()

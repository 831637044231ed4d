"""Work whose cost grows with the number of sessions: done once for many changes, and not after each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from appliance.foundation import clock

SHARE: Final = 0.02
"""The share of all time that such work may take, however often it is asked for."""


class Gathered:
    """Calls `work` `delay` seconds after it was asked for, or later if it took long the last time. Asking again meanwhile changes
    nothing."""

    def __init__(self, work: Callable[[], None], delay: float = 0.0) -> None:
        self._work = work
        self._delay = delay
        self._handle: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    def soon(self) -> None:
        """Something changed."""
        if self._handle is None:
            when = max(clock.monotonic() + self._delay, self._not_before)
            self._handle = asyncio.get_running_loop().call_at(when, self._now)

    def cancel(self) -> None:
        """What was asked for need not be done."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _now(self) -> None:
        self._handle = None
        begun = clock.monotonic()
        try:
            self._work()
        finally:
            ended = clock.monotonic()
            self._not_before = ended + (ended - begun) / SHARE

"""How long the turns of an event loop take: as long as one lasts, whatever else is ready has to wait.

Measured where the loop asks its selector for what is ready, so no turn goes unseen, and measuring wakes nobody up.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from typing import Final

from appliance.foundation import clock

LATE: Final = 0.05
"""Seconds. A longer turn is late: an admin or a handshake notices it."""
SLOT: Final = 10.0
SLOTS: Final = 6
"""The longest turn is known of so many slots of so many seconds, that is of the last minute."""


class Turns:
    """The turns of one loop. `longest()` is that of the last minute, `late` counts the late ones so far."""

    def __init__(self) -> None:
        self.late = 0
        self._began = clock.monotonic()
        self._slots: deque[float] = deque([0.0], maxlen=SLOTS)
        self._next = self._began + SLOT

    def longest(self) -> float:
        """Seconds, the turn that is under way included."""
        now = clock.monotonic()
        self._turn_slots(now)
        return max(*self._slots, now - self._began)

    def began(self) -> None:
        """The loop has something to do."""
        self._began = clock.monotonic()

    def ended(self) -> None:
        """The loop is about to wait."""
        now = clock.monotonic()
        took = now - self._began
        if now >= self._next:
            self._turn_slots(now)
        self._slots[-1] = max(self._slots[-1], took)
        if took > LATE:
            self.late += 1

    def _turn_slots(self, now: float) -> None:
        over = int((now - self._next) // SLOT) + 1
        if over > 0:
            self._slots.extend([0.0] * min(over, SLOTS))
            self._next += over * SLOT


class TimedSelector(selectors.EpollSelector):
    """The selector of a loop whose turns are measured."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As in the base."""
        self._turns.ended()
        try:
            return super().select(timeout)
        finally:
            self._turns.began()


def timed_loop(turns: Turns) -> asyncio.AbstractEventLoop:
    """A new event loop that is measured."""
    return asyncio.SelectorEventLoop(TimedSelector(turns))

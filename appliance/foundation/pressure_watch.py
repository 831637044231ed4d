"""Looks every second how short this process and its host are, and says when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from appliance.foundation.logging import get_logger
from appliance.protocol.pressure import Change, Grade, Pressure, Readings

log = get_logger("pressure")

EVERY: Final = 1.0
"""Seconds. A look reads eight small files of the kernel's, in 0.2 ms."""


class PressureWatch:
    """`read()` gives all readings but how late this loop is, and must not raise. `changed` hears of changes, and must not raise
    either. `start`, then `stop`."""

    def __init__(
        self,
        pressure: Pressure,
        read: Callable[[], Readings],
        changed: Callable[[Sequence[Change]], None] = lambda _changes: None,
    ) -> None:
        self.pressure = pressure
        self._read = read
        self._changed = changed
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="pressure")

    def stop(self) -> None:
        """Look no more. Safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            began = now()
            await asyncio.sleep(EVERY)
            self._look(now() - began - EVERY)

    def _look(self, late: float) -> None:
        changes = self.pressure.take(self._read()._replace(late=max(late, 0.0)))
        for change in changes:
            if change.grade is Grade.WELL:
                log.info("there is enough again", resource=str(change.resource))
            else:
                grade = change.grade.name.lower()
                log.warning("this host or process is short", resource=str(change.resource), grade=grade, reason=change.reason)
        if changes:
            self._changed(changes)

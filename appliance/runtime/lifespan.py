"""Ordered start and stop: what was started last is stopped first, each within a time limit, and one failure stops nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from appliance.foundation.logging import get_logger

log = get_logger("lifespan")

STOP_LIMIT = 10.0
"""Seconds a part may take to start or stop: what `appliance_lifespan` promises to plugins."""
HURRIED_LIMIT = 0.5
"""Seconds a part gets to stop after the second signal."""


class _Part(NamedTuple):
    name: str
    stop: Callable[[], Awaitable[object]]
    limit: float
    essential: bool


class Lifespan:
    """What has been started, in order. `hurry` is set when somebody asks a second time to stop."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self.hurry = asyncio.Event()

    def push(
        self, name: str, stop: Callable[[], Awaitable[object]], *, limit: float = STOP_LIMIT, essential: bool = False
    ) -> None:
        """`name` has started; `stop()` ends it. An `essential` part gets its whole `limit` even in a hurry."""
        self._parts.append(_Part(name, stop, limit, essential))
        log.debug("a part starts", part=name)

    async def end(self, name: str) -> bool:
        """Stop one part before its time, if there is one of that name. False when it failed or took too long."""
        part = next((part for part in reversed(self._parts) if part.name == name), None)
        if part is None:
            return True
        self._parts.remove(part)
        return await self._stop(part)

    async def unwind(self) -> list[str]:
        """Stop everything, last first. Returns the names of those that failed or took too long."""
        trouble = []
        while self._parts:
            part = self._parts.pop()
            if not await self._stop(part):
                trouble.append(part.name)
        return trouble

    async def _stop(self, part: _Part) -> bool:
        log.debug("a part ends", part=part.name)
        loop = asyncio.get_running_loop()
        stopping = loop.create_task(_call(part.stop), name=f"stop {part.name}")
        hurry = loop.create_task(self.hurry.wait(), name="hurry")
        try:
            if part.essential:
                await asyncio.wait({stopping}, timeout=part.limit)
            else:
                await asyncio.wait({stopping, hurry}, timeout=part.limit, return_when=asyncio.FIRST_COMPLETED)
                if self.hurry.is_set() and not stopping.done():
                    await asyncio.wait({stopping}, timeout=HURRIED_LIMIT)
        finally:
            hurry.cancel()
        if not stopping.done():
            stopping.cancel()
            log.warning("a part did not stop in time", part=part.name, seconds=part.limit)
            return False
        error = None if stopping.cancelled() else stopping.exception()
        if error is not None:
            log.error("a part failed to stop", part=part.name, error=error)
        return error is None


async def _call(stop: Callable[[], Awaitable[object]]) -> None:
    await stop()

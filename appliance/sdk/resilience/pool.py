"""Connections that are used again: for protocols in which one call's end is not the connection's.

async with pool.connection() as connection:     the one that was used last, if it is still good; else a new one
    …                                           left by an error or by cancelling: closed, since nobody knows what is on its way
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from appliance.sdk.errors import PoolBusy, PoolClosed
from appliance.sdk.resilience.retrying import Surroundings


class Pooled(Protocol):
    """What a pool wants of a connection."""

    def fit(self) -> bool:
        """Is it open at both ends, with nothing unread? Asked before it is used again."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


C = TypeVar("C", bound=Pooled)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many, and for how long. Seconds end in `_s`."""

    most: int = 16
    """Connections, in use or kept."""
    idle_s: float = 60.0
    """One that nobody used for so long is closed."""
    life_s: float = 600.0
    """One that is older is not used again."""


@dataclass(slots=True)
class _Kept(Generic[C]):
    connection: C
    made: float
    used: float


class Pool(Generic[C]):
    """Of connections that `dial()` makes. Belongs to one event loop."""

    def __init__(self, dial: Callable[[], Awaitable[C]], around: Surroundings, limits: PoolLimits = PoolLimits()) -> None:
        self._dial = dial
        self._around = around
        self._limits = limits
        self._idle: deque[_Kept[C]] = deque()
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._taken = 0
        self._closed = False
        self._sweep: asyncio.TimerHandle | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self.counted: Counter[str] = Counter()
        """How often connections were "made", "reused", or closed as "broken", "idle", "old" or "unfit"."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self, deadline_s: float | None = None) -> AsyncGenerator[C, None]:
        """A connection for the time of the context. Raises PoolBusy if none is free within `deadline_s`, and what dialling
        raises."""
        await self._place(deadline_s)
        good = False
        kept: _Kept[C] | None = None
        try:
            kept = await self._usable()
            yield kept.connection
            good = True
        finally:
            await self._back(kept, good=good)

    async def close(self) -> None:
        """Close what is kept. What is in use is closed when it comes back; who waits gets PoolClosed."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(False)
        while self._idle:
            await self._idle.pop().connection.close()
        if self._leaving:
            await asyncio.wait(self._leaving)

    @property
    def in_use(self) -> int:
        """Connections that somebody has now."""
        return self._taken

    @property
    def idle(self) -> int:
        """Connections that are kept."""
        return len(self._idle)

    async def _place(self, deadline_s: float | None) -> None:
        """One of the `most` places. Those who wait get one in the order in which they came."""
        if not self._closed and self._taken < self._limits.most and not self._waiting:
            self._taken += 1
            return
        given = not self._closed and await self._turn(deadline_s)
        if self._closed:
            if given:
                self._free()
            raise PoolClosed("the pool is closed", hint="take connections before it is closed")

    async def _turn(self, deadline_s: float | None) -> bool:
        """Wait for a place. False: the pool was closed meanwhile."""
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(deadline_s):
                return await waiting
        except BaseException as error:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif not waiting.cancelled() and waiting.result():  # a place that was given meanwhile goes to the next
                self._free()
            if isinstance(error, TimeoutError):
                busy = f"all {self._limits.most} connections were in use for {deadline_s:g} s"
                raise PoolBusy(busy, hint="raise pool_most, or hold connections for a shorter time") from error
            raise

    def _free(self) -> None:
        """A place is free: the next who waits has it."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(True)
                return
        self._taken -= 1

    async def _usable(self) -> _Kept[C]:
        while self._idle:
            kept = self._idle.pop()
            reason = self._why_not(kept)
            if not reason:
                self.counted["reused"] += 1
                return kept
            self.counted[reason] += 1
            await kept.connection.close()
        connection = await self._dial()
        self.counted["made"] += 1
        now = self._around.now()
        return _Kept(connection, now, now)

    def _why_not(self, kept: _Kept[C]) -> str:
        now = self._around.now()
        if now - kept.made >= self._limits.life_s:
            return "old"
        if now - kept.used >= self._limits.idle_s:
            return "idle"
        return "" if kept.connection.fit() else "unfit"

    async def _back(self, kept: _Kept[C] | None, *, good: bool) -> None:
        try:
            if kept is None:
                return
            kept.used = self._around.now()
            reason = self._why_not(kept) if good else "broken"
            if not reason and not self._closed:
                self._idle.append(kept)
                self._sweep_later()
                return
            self.counted[reason or "closed"] += 1
            await kept.connection.close()
        finally:
            self._free()

    def _sweep_later(self) -> None:
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._limits.idle_s, self._swept)

    def _swept(self) -> None:
        """Close what nobody wanted for too long; those at the front are the longest idle."""
        self._sweep = None
        while self._idle and (reason := self._why_not(self._idle[0])):
            self.counted[reason] += 1
            closing = asyncio.get_running_loop().create_task(
                self._idle.popleft().connection.close(), name="close a kept connection"
            )
            self._leaving.add(closing)
            closing.add_done_callback(self._leaving.discard)
        if self._idle:
            self._sweep_later()

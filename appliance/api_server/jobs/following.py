"""Readers of a stream, each at its own place: `management.jobs.events` says what one is to do next, here it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from appliance.management.jobs.events import HEARTBEAT, Beat, Deliver, Event, Fetch, Reader, Ring, Stale, Step, Wait, Wanted


class Behind(NamedTuple):
    """What the log behind a ring has after a cursor."""

    events: Sequence[Event]
    oldest: int
    newest: int


class Source(Protocol):
    """A stream of events."""

    @property
    def ring(self) -> Ring:
        """Its newest events."""

    @property
    def signal(self) -> Signal:
        """Rings when there are more."""

    @property
    def ended(self) -> bool:
        """There will be no more."""

    async def behind(self, after: int, limit: int) -> Behind:
        """What the log has."""


class Signal:
    """Wakes all who wait. Costs the same for one as for a hundred who have stopped reading."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Wake those who wait now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, seconds: float) -> None:
        """Until it is woken, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


async def follow(
    source: Source, after: int | None, *, wanted: Wanted | None = None, heartbeat: float = HEARTBEAT
) -> AsyncGenerator[Event | Stale | Beat, None]:
    """The events behind a cursor, and those that follow, until the stream ends or this is closed.

    Nothing is queued: while the caller does not ask for more, at most one handful of events waits here.
    """
    now = asyncio.get_running_loop().time
    reader = Reader(after, source.ring.newest, now(), wanted=wanted, heartbeat=heartbeat)
    while True:
        ended = source.ended
        step: Step | None = reader.next(source.ring, now())
        if isinstance(step, Fetch):
            step = reader.fetched(*await source.behind(step.after, step.limit), source.ring, now())
        match step:
            case Deliver(events):
                for event in events:
                    yield event
            case Stale() | Beat():
                yield step
            case Wait(_) if ended:
                return
            case Wait(seconds):
                await source.signal.wait(seconds)

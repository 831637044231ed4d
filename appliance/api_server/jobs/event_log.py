"""The one log of events of an API server: what happens to the node, to jobs and to reviews, kept in the store and told to all.

    publish ─▶ waiting ─▶ one commit for all that waits ─▶ the store's log ─▶ ring ─▶ readers
    change ──▶ in the commit of what it is about ────────▶      "

An event is shown once it is kept, so that no reader has ever seen an id that a crash takes back. What another API server added to
the same store is found by looking, once a second.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final

from appliance.api.stores import Append, Entry, Store, StoreBroken, StoreFull
from appliance.api_server.jobs.following import Behind, Signal, follow
from appliance.foundation import clock
from appliance.foundation.logging import get_logger, once_per
from appliance.management.jobs.events import HEARTBEAT, RING_EVENTS, Beat, Event, Ring, Stale

log = get_logger("events")

LOG: Final = "events"
MOST_WAITING: Final = 4_096
"""Events that wait for the store: a busy node's of a minute. Of more the oldest go, and an event `events.lost` says how many."""
MOST_TEXT: Final = 16 * 1024
"""Characters of an event. Of a larger one only its size is told."""
AT_A_TIME: Final = 256
TRY_AGAIN: Final = 1.0
"""Seconds between two tries of a store that is full or broken."""
TELL_EVERY: Final = 60.0
LOOK_EVERY: Final = 1.0
"""Seconds without an event of our own after which the store is looked at: another API server may have added to it."""


class EventLog:
    """`open` first, then `run` beside everything else."""

    def __init__(self, store: Store, *, keep: int = 10_000, wall: Callable[[], float] = clock.wall) -> None:
        """`keep`: events that stay in the store, the newest."""
        self._store = store
        self._keep = keep
        self._wall = wall
        self._waiting: deque[Append] = deque()
        self._lost = 0
        self._there = asyncio.Event()
        self._ring = Ring()
        self._signal = Signal()
        self._behind = asyncio.Lock()
        self._closed = False
        self._counted: Counter[str] = Counter()

    @property
    def ring(self) -> Ring:
        """The newest events."""
        return self._ring

    @property
    def signal(self) -> Signal:
        """Rings when there are more."""
        return self._signal

    @property
    def ended(self) -> bool:
        """It was closed."""
        return self._closed

    async def open(self) -> None:
        """Learn what is there."""
        newest = (await self._store.tail(LOG, limit=1)).newest
        start = max(0, newest - RING_EVENTS)
        tail = await self._store.tail(LOG, start, RING_EVENTS)
        self._ring = Ring(max(start, tail.oldest - 1))
        self._ring.add([_event(entry) for entry in tail.entries])

    def publish(self, kind: str, data: Mapping[str, Any]) -> None:
        """Something happened. Returns at once; it is told when it is kept."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._lost += 1
            self._counted["lost"] += 1
        self._waiting.append(self.change(kind, data))
        self._there.set()

    def change(self, kind: str, data: Mapping[str, Any]) -> Append:
        """The same as a part of somebody's commit; `committed` follows it."""
        head = {"event": kind, "time": clock.utc_text(self._wall())}
        said = json.dumps(head | dict(data), default=str)
        if len(said) > MOST_TEXT:
            said = json.dumps(head | {"left_out": len(said)})
        return Append(LOG, json.dumps([kind, said]).encode(), self._keep)

    def committed(self) -> None:
        """Somebody added to the log."""
        self._there.set()

    async def run(self) -> None:
        """Keep and tell what happens, until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._there.wait()
            self._there.clear()
            try:
                await self._write()
                await self._read()
            except (StoreFull, StoreBroken) as error:
                self._counted["refused"] += 1
                if once_per(TELL_EVERY, "events wait for the store"):
                    log.warning("events wait for the store", waiting=len(self._waiting), reason=error.message)
                await asyncio.sleep(TRY_AGAIN)
                self._there.set()

    def close(self) -> None:
        """End all streams, each behind what was told so far."""
        self._closed = True
        self._signal.wake()

    def follow(
        self, after: int | None, topics: Collection[str] | None = None, *, heartbeat: float = HEARTBEAT
    ) -> AsyncGenerator[Event | Stale | Beat, None]:
        """Events behind a cursor (None: from now on) and those that come. `topics`: only of these; None: of all."""
        wanted = None if topics is None else (lambda event: event.topic in topics)
        return follow(self, after, wanted=wanted, heartbeat=heartbeat)

    async def behind(self, after: int, limit: int) -> Behind:
        """What the store has. One reader after the other: a hundred that are behind would have a hundred handfuls at once."""
        async with self._behind:
            tail = await self._store.tail(LOG, after, limit)
        return Behind([_event(entry) for entry in tail.entries], tail.oldest, tail.newest)

    def stats(self) -> Mapping[str, int]:
        """Figures: events in memory ("ring"), that wait ("waiting"), and how often the store "refused" and events were "lost"."""
        return {"ring": len(self._ring), "waiting": len(self._waiting), "lost": 0, "refused": 0} | self._counted

    async def _write(self) -> None:
        while self._waiting or self._lost:
            lost, batch = self._lost, [self._waiting.popleft() for _ in range(min(AT_A_TIME, len(self._waiting)))]
            told = [self.change("events.lost", {"number": lost})] if lost else []
            try:
                await self._store.commit(*told, *batch)
            except (StoreFull, StoreBroken):
                self._waiting.extendleft(reversed(batch))
                raise
            self._lost -= lost

    async def _read(self) -> None:
        while (tail := await self._store.tail(LOG, self._ring.newest, AT_A_TIME)).entries:
            if tail.oldest > self._ring.newest + 1:  # what was between has gone already: readers are told so by the store
                self._ring = Ring(tail.oldest - 1)
            self._ring.add([_event(entry) for entry in tail.entries])
            self._signal.wake()


def _event(entry: Entry) -> Event:
    try:
        kind, text = json.loads(entry.value)
    except ValueError:
        return Event(entry.id, "events.damaged", "{}")
    return Event(entry.id, kind, text)

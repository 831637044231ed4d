"""Hands the events of the log to exports: in order, at least once, each by one API server of those that share a store.

How far an export is stands in the store, with who hands events to it and until when: whoever is there after that moment goes on.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Self

from appliance.api.event_exports import EventExport, ExportedEvent
from appliance.api.stores import Conflict, Put, Store
from appliance.api_server.jobs.event_log import EventLog
from appliance.management.jobs.events import Event

SPACE: Final = "exports"
AT_A_TIME: Final = 100
"""Events of one `send`."""
LEASE: Final = 30.0
"""Seconds for which an export is one server's, unless that says more."""
SEND_SECONDS: Final = 20.0
"""How long the other side may take: less than a lease."""
AFTER_CONFLICT: Final = 1.0
"""Seconds until it is tried again, when somebody else changed how far an export is."""
MISSED: Final = "events.missed"
"""What is told in place of events that the log does not have any more."""


class Mark(NamedTuple):
    """How far an export is."""

    after: int
    """The id of the last event that the other side has."""
    holder: str
    """The identity of the node whose API server hands events to it."""
    until: float
    """Unix seconds."""

    @classmethod
    def read(cls, value: bytes) -> Self:
        """From a record."""
        return cls(**json.loads(value))

    def put(self, name: str, expect: int) -> Put:
        """As a change of the record."""
        return Put(SPACE, name, json.dumps(self._asdict()).encode(), expect)


class Exporter:
    """`use` is run for each export, for as long as it is open."""

    def __init__(self, store: Store, events: EventLog, holder: str, wall: Callable[[], float]) -> None:
        self._store = store
        self._events = events
        self._holder = holder
        self._wall = wall
        self.sent: Counter[str] = Counter()
        """Events that the other side took, by export."""

    async def use(self, name: str, export: EventExport) -> None:
        """Hand events over until this is cancelled. Raises what the export or the store does."""
        while True:
            version, mark = await self._take(name)
            try:
                await self._hand_over(name, export, version, mark)
            except Conflict:  # slower than the lease: another server has it now
                await asyncio.sleep(AFTER_CONFLICT)

    async def _take(self, name: str) -> tuple[int, Mark]:
        """Wait until it is this server's turn."""
        while True:
            record = await self._store.get(SPACE, name)
            found = None if record is None else Mark.read(record.value)
            now = self._wall()
            if found is not None and found.holder != self._holder and now < found.until <= now + LEASE:
                await asyncio.sleep(found.until - now)
                continue
            mark = Mark(self._events.ring.newest if found is None else found.after, self._holder, now + LEASE)
            try:
                [version] = await self._store.commit(mark.put(name, 0 if record is None else record.version), durable=False)
            except Conflict:
                await asyncio.sleep(AFTER_CONFLICT)
                continue
            return version, mark

    async def _hand_over(self, name: str, export: EventExport, version: int, mark: Mark) -> None:
        """Raises Conflict when another server has it."""
        while True:
            found = await self._events.behind(mark.after, AT_A_TIME)
            batch = [*_missed(mark.after, found.oldest, found.newest), *map(_exported, found.events)]
            if batch:
                async with asyncio.timeout(SEND_SECONDS):
                    await export.send(batch)
                self.sent[name] += len(batch)
            else:
                await self._events.signal.wait(LEASE / 3)
            after = batch[-1].id if batch else mark.after
            mark = Mark(after, self._holder, self._wall() + LEASE)
            [version] = await self._store.commit(mark.put(name, version), durable=False)


def _exported(event: Event) -> ExportedEvent:
    rest = event.text.removeprefix("{")
    return ExportedEvent(event.id, event.kind, f'{{"id": {event.id}{"" if rest == "}" else ", "}{rest}'.encode())


def _missed(after: int, oldest: int, newest: int) -> Sequence[ExportedEvent]:
    """Events that the log has forgotten, or that a log that was brought back from a copy never had."""
    if oldest - 1 <= after <= newest:
        return ()
    last = min(oldest - 1, newest)
    told: dict[str, Any] = {"id": last, "event": MISSED, "after": after}
    return (ExportedEvent(last, MISSED, json.dumps(told).encode()),)

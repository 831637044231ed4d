"""Executions in the store: each has a record, a line in the list of the newest, chunks of its stream, and work while it waits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from appliance.api.stores import Change, Delete, Put, Store
from appliance.api_server.jobs.following import Behind
from appliance.foundation.logging import get_logger
from appliance.management.jobs.events import Event
from appliance.management.jobs.execution import Execution, ExecutionUnknown, State
from appliance.management.jobs.idempotency import KEPT_SECONDS, Known
from appliance.management.jobs.output import Written, chunk_key, events_in

log = get_logger("jobs")

JOBS: Final = "jobs"
NEWEST: Final = "jobs.newest"
OUTPUT: Final = "jobs.output"
WORK: Final = "jobs.work"
KEYS: Final = "jobs.keys"

_AT_A_TIME: Final = 100
_MIRRORED: Final = str.maketrans("0123456789abcdef", "fedcba9876543210")


class Stored(NamedTuple):
    """An execution, and the version of its record."""

    execution: Execution
    version: int


class Work(NamedTuple):
    """What an execution that waits is to do: the template as it was when it was asked for."""

    template: Mapping[str, Any]
    parameters: Mapping[str, Any]


class Records:
    """All may raise what the store raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save(self, execution: Execution, version: int, written: Written | None, *also: Change) -> int:
        """An execution as it is now, with what it said, and `also` in the same commit. `version`: that of its record, 0 for a new
        one. Returns the new version. Raises Conflict too."""
        changes = list(also)
        if written is not None:
            changes.append(Put(OUTPUT, chunk_key(execution.id, written.chunk.last), written.chunk.value()))
            changes += [Delete(OUTPUT, chunk_key(execution.id, last)) for last in written.forget]
        if execution.state.over:
            changes.append(Delete(WORK, execution.id))
        return (await self._store.commit(*_puts(execution, version), *changes))[0]

    async def get(self, execution: str) -> Stored:
        """Raises ExecutionUnknown."""
        record = await self._store.get(JOBS, execution) if _is_id(execution) else None
        if record is None:
            raise ExecutionUnknown("there is no such execution", hint="ask for the list: the newest are kept")
        try:
            return Stored(Execution.of(json.loads(record.value)), record.version)
        except (ValueError, TypeError, LookupError):
            log.warning("the record of an execution cannot be read", execution=execution)
            raise ExecutionUnknown("the record of this execution cannot be read", hint="a later version wrote it?") from None

    async def work(self, execution: str) -> Work | None:
        """What it is to do; None if that was not kept."""
        record = await self._store.get(WORK, execution)
        return None if record is None else Work(**json.loads(record.value))

    async def known(self, place: str) -> Known | None:
        """What an idempotency key stands for."""
        record = await self._store.get(KEYS, place)
        return None if record is None else Known.of(record.value)

    async def page(self, after: str, limit: int) -> tuple[list[Mapping[str, Any]], str]:
        """Summaries, the newest first, behind the execution `after`, and where the next page begins; "" at the end."""
        found = await self._store.scan(NEWEST, after=after.translate(_MIRRORED) if _is_id(after) else "", limit=limit)
        items = [item for record in found if (item := _summary(record.value)) is not None]
        last = found[-1].key.translate(_MIRRORED) if len(found) == limit else ""
        return items, last if _is_id(last) else ""

    async def all(self) -> list[Mapping[str, Any]]:
        """Summaries of all executions, the oldest first."""
        found, following = await self.page("", _AT_A_TIME)
        while following:
            items, following = await self.page(following, _AT_A_TIME)
            found += items
        return found[::-1]

    async def forget(self, execution: str) -> None:
        """Everything about it."""
        await self._store.commit(Delete(JOBS, execution), Delete(NEWEST, execution.translate(_MIRRORED)), Delete(WORK, execution))
        while chunks := await self._store.scan(OUTPUT, prefix=f"{execution}/", limit=_AT_A_TIME):
            await self._store.commit(*(Delete(OUTPUT, chunk.key) for chunk in chunks))

    async def behind(self, execution: str, after: int, limit: int) -> Behind:
        """What is kept of its stream behind a cursor."""
        prefix = f"{execution}/"
        first = await self._store.scan(OUTPUT, prefix=prefix, limit=1)
        oldest = events_in(first[0].value)[0].id if first else 1
        events: list[Event] = []
        place = chunk_key(execution, min(after, 10**15))
        while len(events) < limit and (chunks := await self._store.scan(OUTPUT, prefix=prefix, after=place, limit=1)):
            place = chunks[0].key
            events += [event for event in events_in(chunks[0].value) if event.id > after]
        return Behind(events[:limit], oldest, events[-1].id if events else await self.last(execution))

    async def last(self, execution: str) -> int:
        """The largest id that was kept of its stream; 0 if none was."""
        place, last = "", 0
        while chunks := await self._store.scan(OUTPUT, prefix=f"{execution}/", after=place, limit=_AT_A_TIME):
            place = chunks[-1].key
            last = int(place.rpartition("/")[2])
        return last


def _summary(value: bytes) -> Mapping[str, Any] | None:
    """A line of the list; None if it cannot be read."""
    try:
        found = json.loads(value)
        State(found["state"])
    except (ValueError, TypeError, LookupError):
        return None
    return found if {"id", "server"} <= found.keys() else None


def work_change(execution: str, work: Work) -> Change:
    """What keeps the work of an execution."""
    return Put(WORK, execution, json.dumps(work._asdict(), default=str).encode(), 0)


def key_change(place: str, known: Known, now: float) -> Change:
    """What keeps an idempotency key; a Conflict if it stands for something already. `now`: Unix seconds."""
    return Put(KEYS, place, known.value(), 0, int(now) + KEPT_SECONDS)


def _puts(execution: Execution, version: int) -> Sequence[Put]:
    return (
        Put(JOBS, execution.id, json.dumps(execution.document(), default=str).encode(), version),
        Put(NEWEST, execution.id.translate(_MIRRORED), json.dumps(execution.summary(), default=str).encode()),
    )


def _is_id(text: str) -> bool:
    return len(text) == 36 and set(text) <= set("0123456789abcdef-")

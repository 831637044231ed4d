"""Events are handed over in order and at least once, by one server at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from appliance.api.event_exports import ExportedEvent
from appliance.api.stores import Change, Conflict, Put
from appliance.api_server.exports.exporter import LEASE, MISSED, SPACE, Exporter
from appliance.api_server.jobs.event_log import EventLog
from appliance.store.memory import MemoryStore
from tests.rigs.virtual_loop import played
from tests.unit.api_server.jobs.house import new_store, until, virtual_wall


class Sink:
    """The other side."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.kinds: list[str] = []
        self.refuses = 0
        self.hangs = False

    async def send(self, events: Sequence[ExportedEvent]) -> None:
        if self.refuses:
            self.refuses -= 1
            raise OSError("not now")
        self.ids += [event.id for event in events]
        self.kinds += [event.kind for event in events]
        assert [json.loads(event.document)["id"] for event in events] == [event.id for event in events]
        if self.hangs:
            await asyncio.Event().wait()


@asynccontextmanager
async def log_of(store: MemoryStore, keep: int = 10_000) -> AsyncIterator[EventLog]:
    log = EventLog(store, keep=keep, wall=virtual_wall)
    await log.open()
    running = asyncio.get_running_loop().create_task(log.run())
    try:
        yield log
    finally:
        running.cancel()
        await asyncio.wait({running})


@asynccontextmanager
async def exporting(store: MemoryStore, log: EventLog, sink: Sink, holder: str = "one") -> AsyncIterator[asyncio.Task[None]]:
    running = asyncio.get_running_loop().create_task(Exporter(store, log, holder, virtual_wall).use("pipe", sink))
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait({running})


async def publish(log: EventLog, number: int) -> None:
    for _ in range(number):
        log.publish("node.health", {"ok": True})
    wanted = log.ring.newest + number
    await until(lambda: log.ring.newest == wanted)


async def taken(store: MemoryStore) -> None:
    async with asyncio.timeout(60):
        while await store.get("exports", "pipe") is None:  # noqa: ASYNC110  virtual time
            await asyncio.sleep(0.01)


def test_a_new_export_begins_now_and_goes_on_where_it_was() -> None:
    async def story() -> None:
        store, sink = new_store(), Sink()
        async with log_of(store) as log:
            await publish(log, 3)
            async with exporting(store, log, sink):
                await taken(store)
                await publish(log, 2)
                await until(lambda: sink.ids == [4, 5])
            await publish(log, 250)
            async with exporting(store, log, sink):
                await until(lambda: len(sink.ids) == 252)
            assert sink.ids == list(range(4, 256))

    played(story())


def test_what_was_refused_or_not_confirmed_is_sent_again() -> None:
    async def story() -> None:
        store, sink = new_store(), Sink()
        async with log_of(store) as log:
            async with exporting(store, log, sink) as first:
                await taken(store)
                sink.refuses = 1
                await publish(log, 1)
                with pytest.raises(OSError, match="not now"):
                    await first
            sink.hangs = True
            async with exporting(store, log, sink) as second:
                with pytest.raises(TimeoutError):
                    await second
            sink.hangs = False
            async with exporting(store, log, sink):
                await until(lambda: sink.ids == [1, 1])

    played(story())


def test_of_two_servers_one_hands_over_and_the_other_goes_on_after_its_lease() -> None:
    async def story() -> None:
        store, first, second = new_store(), Sink(), Sink()
        async with log_of(store) as log, AsyncExitStack() as ending:
            await ending.enter_async_context(exporting(store, log, first, "one"))
            await taken(store)
            async with exporting(store, log, second, "two"):
                await publish(log, 5)
                await until(lambda: first.ids == [1, 2, 3, 4, 5])
                await asyncio.sleep(10 * LEASE)
                await publish(log, 1)
                await until(lambda: first.ids[-1] == 6)
                assert not second.ids
                await ending.aclose()
                await publish(log, 1)
                await until(lambda: second.ids == [7])

    played(story())


@pytest.mark.parametrize("which", [1, 2])
def test_a_store_that_conflicts_for_ever_is_asked_now_and_then(which: int) -> None:
    """Two hosts with a copy of one identity, for instance: neither waits for the other's lease."""

    class Contested(MemoryStore):
        commits = 0

        async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
            if any(isinstance(change, Put) and change.space == SPACE for change in changes):
                self.commits += 1
                assert self.commits < 1000
                if self.commits > 1 and self.commits % which == 0:
                    raise Conflict("somebody else changed it")
            return await super().commit(*changes, durable=durable)

    async def story() -> None:
        store, sink = Contested(clock=virtual_wall), Sink()
        async with log_of(store) as log, exporting(store, log, sink) as running:
            await taken(store)
            await publish(log, 1)
            await asyncio.sleep(60)
            assert not running.done()
            assert 10 < store.commits < 200
            assert set(sink.ids) == ({1} if which == 2 else set())

    played(story())


def test_what_the_log_has_forgotten_is_told_as_missed() -> None:
    async def story() -> None:
        store, sink = new_store(), Sink()
        async with log_of(store, keep=10) as log:
            async with exporting(store, log, sink):
                await taken(store)
            await publish(log, 50)
            async with exporting(store, log, sink):
                await until(lambda: sink.ids[-1:] == [50])
            assert sink.ids == list(range(40, 51))
            assert sink.kinds[0] == MISSED
            assert set(sink.kinds[1:]) == {"node.health"}

    played(story())

"""One log of events: kept first, then told, and no reader costs more than its place in it."""

from __future__ import annotations

import asyncio
import gc
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from appliance.api.stores import Append
from appliance.api_server.jobs.event_log import LOG, MOST_TEXT, MOST_WAITING, EventLog
from appliance.management.jobs.events import MOST_AT_A_TIME, MOST_BYTES_AT_A_TIME, RING_BYTES, Beat, Event, Stale
from appliance.store.memory import MemoryStore
from tests.rigs.virtual_loop import played
from tests.unit.api_server.jobs.house import new_store, until, virtual_wall


@asynccontextmanager
async def log_of(store: MemoryStore, keep: int = 10_000) -> AsyncIterator[EventLog]:
    log = EventLog(store, keep=keep, wall=virtual_wall)
    await log.open()
    running = asyncio.get_running_loop().create_task(log.run())
    try:
        yield log
    finally:
        log.close()
        running.cancel()
        await asyncio.wait({running})


async def read(log: EventLog, after: int | None, number: int) -> list[Event | Stale | Beat]:
    found = []
    stream = log.follow(after)
    async for item in stream:
        if not isinstance(item, Beat):
            found.append(item)
        if len(found) == number:
            break
    await stream.aclose()
    return found


def test_what_is_published_is_kept_and_told_with_its_time() -> None:
    async def story() -> None:
        store = new_store()
        async with log_of(store) as log:
            log.publish("node.health", {"ok": True})
            (event,) = await read(log, 0, 1)
            assert (event.id, event.kind, event.topic) == (1, "node.health", "node")
            assert json.loads(event.text) == {"event": "node.health", "time": "2023-11-14T22:30:00.000Z", "ok": True}
            assert (await store.tail(LOG)).newest == 1

    played(story())


def test_after_a_start_ids_go_on_and_old_cursors_are_good() -> None:
    async def story() -> None:
        store = new_store()
        async with log_of(store) as log:
            for number in range(5):
                log.publish("node.x", {"n": number})
            await read(log, 0, 5)
        async with log_of(store) as log:
            log.publish("node.x", {"n": 5})
            assert [event.id for event in await read(log, 2, 4)] == [3, 4, 5, 6]

    played(story())


def test_two_api_servers_of_one_store_tell_the_same_whoever_it_happened_to() -> None:
    async def story() -> None:
        store = new_store()
        async with log_of(store) as one, log_of(store) as two:
            for number in range(300):
                (one, two)[number % 2].publish("node.x", {"n": number})
                if number % 7 == 0:
                    await asyncio.sleep(0.3)
            told = [await read(log, 0, 300) for log in (one, two)]
            assert told[0] == told[1]
            assert [event.id for event in told[0]] == list(range(1, 301))

    played(story())


def test_more_from_another_api_server_than_is_kept_is_no_gap_that_nobody_is_told_of() -> None:
    async def story() -> None:
        store = new_store()
        async with log_of(store, keep=100) as one:
            one.publish("node.x", {})
            await read(one, 0, 1)
            await store.commit(*(Append(LOG, b'["node.x", "{}"]', 100) for _ in range(500)))
            stale, *rest = await read(one, 1, 101)
            assert stale == Stale(1, 402, 501)
            assert [event.id for event in rest] == list(range(402, 502))

    played(story())


def test_a_thousand_random_cuts_lose_and_double_nothing() -> None:
    dice = random.Random(54)

    async def story() -> None:
        async with log_of(new_store()) as log:

            async def happen() -> None:
                for number in range(5_000):
                    log.publish(dice.choice(("node.x", "jobs.x")), {"n": number})
                    if dice.random() < 0.05:
                        await asyncio.sleep(dice.random())

            happening = asyncio.get_running_loop().create_task(happen())
            cuts, seen, cursor = 0, [], 0
            while len(seen) < 5_000:
                stream = log.follow(cursor)
                for _ in range(dice.randrange(10)):
                    item = await anext(stream)
                    cursor = item.cursor if isinstance(item, Beat) else item.id
                    if isinstance(item, Event):
                        seen.append(json.loads(item.text)["n"])
                await stream.aclose()
                cuts += 1
            await happening
            assert seen == list(range(5_000))
            assert cuts >= 1_000

    played(story())


def test_who_comes_too_late_is_told_what_is_there() -> None:
    async def story() -> None:
        async with log_of(new_store(), keep=100) as log:
            for number in range(5_000):
                log.publish("node.x", {"n": number})
                if number % 100 == 0:
                    await asyncio.sleep(0.1)
            await until(lambda: log.ring.newest == 5_000)
            stale, *rest = await read(log, 17, 101)
            assert stale == Stale(17, 4_901, 5_000)
            assert [event.id for event in rest] == list(range(4_901, 5_001))

    played(story())


def test_a_hundred_readers_that_never_read_cost_flat_memory() -> None:
    async def story() -> None:
        async with log_of(new_store(), keep=500) as log:
            readers = [log.follow(0) for _ in range(100)]
            log.publish("node.x", {"text": "x" * 1_000})
            for reader in readers:
                await anext(reader)

            async def held() -> tuple[int, int]:
                """Events in memory anywhere, those of the store's own list apart, and the ring's."""
                gc.collect()
                return sum(type(found) is Event for found in gc.get_objects()), len(log.ring)

            async def much() -> None:
                for _ in range(20):
                    for _ in range(100):
                        log.publish("node.x", {"text": "x" * 1_000})
                    await asyncio.sleep(0.1)

            await much()
            first = await held()
            await much()
            assert await held() == first
            assert 0 < first[1] <= first[0] <= first[1] + 100 * MOST_AT_A_TIME
            assert sum(event.size for event in log.ring.after(log.ring.newest - first[1], 10_000) or ()) <= RING_BYTES
            for reader in readers:
                await reader.aclose()

    played(story())


def test_readers_that_stopped_behind_the_ring_hold_a_handful_in_bytes_each() -> None:
    async def story() -> None:
        async with log_of(new_store()) as log:
            for number in range(400):
                log.publish("node.x", {"n": number, "text": "x" * 10_000})
            await until(lambda: log.ring.newest == 400)
            readers = [log.follow(0) for _ in range(20)]
            await asyncio.gather(*(anext(reader) for reader in readers))
            gc.collect()
            sizes = [found.size for found in gc.get_objects() if type(found) is Event]
            assert sum(sizes) <= RING_BYTES + len(readers) * MOST_BYTES_AT_A_TIME
            for reader in readers:
                await reader.aclose()
            assert [json.loads(event.text)["n"] for event in await read(log, 0, 400)] == list(range(400))

    played(story())


def test_topics_are_chosen_and_silence_moves_the_cursor() -> None:
    async def story() -> None:
        async with log_of(new_store()) as log:
            stream = log.follow(None, {"jobs"})
            assert await anext(stream) == Beat(0)
            for kind in ("node.x", "jobs.x", "node.x", "node.x"):
                log.publish(kind, {})
            assert (await anext(stream)).kind == "jobs.x"
            assert await anext(stream) == Beat(4)
            await stream.aclose()

    played(story())


def test_a_full_store_keeps_events_waiting_and_what_is_too_much_is_told() -> None:
    async def story() -> None:
        store = new_store()
        async with log_of(store) as log:
            limit, store._limit = store._limit, 0
            for number in range(MOST_WAITING + 10):
                log.publish("node.x", {"n": number})
            await asyncio.sleep(5)
            assert log.stats()["lost"] == 10
            assert log.stats()["waiting"] == MOST_WAITING
            assert log.stats()["refused"] >= 4
            store._limit = limit
            lost, *rest = await read(log, 0, MOST_WAITING + 1)
            assert (lost.kind, json.loads(lost.text)["number"]) == ("events.lost", 10)
            assert [json.loads(event.text)["n"] for event in rest] == list(range(10, MOST_WAITING + 10))

    played(story())


def test_an_event_that_is_too_large_is_told_by_its_size() -> None:
    async def story() -> None:
        async with log_of(new_store()) as log:
            log.publish("node.x", {"text": "x" * MOST_TEXT})
            (event,) = await read(log, 0, 1)
            assert json.loads(event.text)["left_out"] > MOST_TEXT

    played(story())


def test_an_entry_that_was_damaged_stops_nobody() -> None:
    async def story() -> None:
        store = new_store()
        await store.commit(Append(LOG, b"\xff{"), Append(LOG, b"[1]"))
        async with log_of(store) as log:
            log.publish("node.x", {})
            assert [event.kind for event in await read(log, 0, 3)] == ["events.damaged", "events.damaged", "node.x"]

    played(story())


def test_streams_end_when_the_log_is_closed() -> None:
    async def story() -> None:
        async with log_of(new_store()) as log:
            streams = [asyncio.get_running_loop().create_task(anext(log.follow(0), None)) for _ in range(100)]
            await asyncio.sleep(1)
        assert await asyncio.gather(*streams) == [None] * 100

    played(story())

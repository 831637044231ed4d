"""What a store does besides: it sweeps, ends what takes too long, and is itself again after the database was away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from appliance.api.slowest_clock import HOLD
from appliance.api.stores import Append, Put, StoreAway, StoreFull
from appliance.testing.conformance.store import NOW, Clock
from appliance_store_postgresql import store as module
from appliance_store_postgresql.store import PostgresqlStore
from tests.rigs.postgresql import Cluster

Opening = Callable[..., Awaitable[PostgresqlStore]]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)


async def test_what_expired_for_certain_is_swept_and_frees_its_room(
    opening: Opening, database: Cluster, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIDY_EVERY", 0.01)
    elapsed = Clock()
    loop = asyncio.get_running_loop()
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + elapsed.now - NOW)
    clock = Clock()
    store = await opening(clock=clock)
    await store.commit(*(Put("a", f"{n}", b"x", expires=NOW + 10) for n in range(450)), Put("a", "for ever", b""))
    full = store.stats()["bytes"]
    clock.now += 100
    assert [record.key for record in await store.scan("a")] == ["for ever"]
    assert database.run(f"SELECT count(*) FROM {schema}.records") == "451", "it may be the clock that is wrong"
    for _ in range(3):
        clock.now += HOLD
        elapsed.now += HOLD
        await asyncio.sleep(0.1)
    await until(lambda: store.stats()["expired"] == 450)
    assert database.run(f"SELECT count(*) FROM {schema}.records") == "1"
    assert store.stats()["bytes"] < full / 100


async def test_a_full_store_makes_room_of_what_has_expired(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIDY_EVERY", 0.01)
    clock = Clock()
    store = await opening(clock=clock, limit=1 << 20)
    await store.commit(Put("a", "old", bytes(900_000), expires=NOW + 10))
    clock.now += 11
    with pytest.raises(StoreFull):
        await store.commit(Put("a", "new", bytes(200_000)))
    await until(lambda: store.stats()["expired"] == 1)
    assert await store.commit(Put("a", "new", bytes(200_000))) == [1]


async def test_a_statement_that_takes_too_long_is_ended(opening: Opening, database: Cluster, schema: str) -> None:
    store = await opening(timeout=4)
    await store.commit(Put("a", "x", b""))
    with pytest.raises(StoreAway, match="in time"):
        await store._connections.read(lambda one: one.fetch("SELECT pg_sleep(30)"))
    assert await store.get("a", "x") is not None


async def test_who_stops_reading_in_the_middle_costs_no_connection(opening: Opening) -> None:
    store = await opening(connections=2)
    await store.commit(*(Append("log", bytes(1000)) for _ in range(500)))
    for _ in range(30):
        reading = asyncio.ensure_future(store.tail("log", limit=500))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
    assert len((await store.tail("log", limit=500)).entries) == 500
    assert store.stats()["connections"] <= 3


async def test_reads_go_on_after_all_connections_were_ended(opening: Opening, database: Cluster) -> None:
    store = await opening()
    await store.commit(Put("a", "x", b"1"))
    await asyncio.gather(*(store.get("a", "x") for _ in range(10)))
    ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'test'"
    assert int(database.run(ended)) >= 2
    assert (await store.get("a", "x")) is not None
    assert await store.commit(Put("a", "x", b"2", expect=1)) == [2]


async def test_a_role_for_which_nothing_is_flushed_is_not_heeded(opening: Opening, database: Cluster, schema: str) -> None:
    database.run(f"CREATE ROLE {schema} LOGIN; ALTER ROLE {schema} SET synchronous_commit = off")
    database.run(f"GRANT CREATE ON DATABASE postgres TO {schema}")
    store = await opening(user=schema)
    assert await store._connections.read(lambda one: one.fetchval("SHOW synchronous_commit")) == "on"


async def test_values_of_every_size_come_back(opening: Opening) -> None:
    store = await opening()
    values = [bytes([size % 251]) * size for size in (0, 1, 1_999, 2_000, 2_001, 8_191, 100_000, 1 << 20)]
    await store.commit(*(Put("a", f"{n}", value) for n, value in enumerate(values)), *(Append("log", value) for value in values))
    assert [record.value for record in await store.scan("a")] == values
    assert [entry.value for entry in (await store.tail("log")).entries] == values

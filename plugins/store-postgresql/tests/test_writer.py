"""Commits happen once, whatever happens to the connection, and those that wait together are one transaction."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from appliance.api.stores import Append, Check, Conflict, Delete, Drop, Put, StoreAway, StoreBroken, StoreFull, Tail
from appliance_store_postgresql import writer as module
from appliance_store_postgresql.connecting import Connecting
from appliance_store_postgresql.settings import PostgresqlSettings
from appliance_store_postgresql.store import PostgresqlStore
from tests.rigs.cut_ways import way_to
from tests.rigs.postgresql import Cluster, cluster

Opening = Callable[..., Awaitable[PostgresqlStore]]


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="way-") as folder:
        yield Path(folder)


@asynccontextmanager
async def held(database: Cluster, schema: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody has the lock of all writers meanwhile. Gives a connection of somebody else, who may look."""
    other, looking = [await asyncpg.connect(host=str(database.folder), user="owner", database="postgres") for _ in range(2)]
    try:
        async with other.transaction():
            await other.execute(f"SELECT FROM {schema}.store FOR UPDATE")
            yield looking
    finally:
        await other.close()
        await looking.close()


async def waiting(looking: asyncpg.Connection, number: int) -> None:
    """Until so many wait for the lock."""
    async with asyncio.timeout(60):
        while await looking.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != number:  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)


async def test_commits_that_wait_together_are_one_transaction(database: Cluster, opening: Opening, schema: str) -> None:
    store = await opening()
    async with held(database, schema) as looking:
        first = asyncio.ensure_future(store.commit(Put("a", "first", b"")))
        await waiting(looking, 1)
        commits = [asyncio.ensure_future(store.commit(Put("a", f"{n}", b"", expect=n % 2))) for n in range(40)]
        await asyncio.sleep(0)
        before = store.stats()["transactions"]
    done = await asyncio.gather(first, *commits, return_exceptions=True)
    assert [isinstance(each, Conflict) for each in done[1:]] == [n % 2 == 1 for n in range(40)]
    assert [int(record.key) % 2 for record in await store.scan("a", prefix="", after="") if record.key != "first"] == [0] * 20
    assert store.stats()["transactions"] - before <= 2
    assert store.stats()["conflicts"] == 20


async def test_servers_that_append_at_once_use_no_id_twice(opening: Opening) -> None:
    one, two = await opening(), await opening()
    ids = await asyncio.gather(*((one, two)[n % 2].commit(Append("log", b"%d" % n), durable=n % 3 == 0) for n in range(200)))
    assert sorted(number for (number,) in ids) == list(range(1, 201))
    entries = (await two.tail("log", limit=1000)).entries
    assert {(entry.id, int(entry.value)) for entry in entries} == {(ids[n][0], n) for n in range(200)}


async def test_readers_of_a_log_never_see_an_id_before_a_smaller_one(opening: Opening) -> None:
    one, two = await opening(), await opening()
    seen: list[int] = []

    async def read() -> None:
        while len(seen) < 100:
            entries = (await one.tail("log", seen[-1] if seen else 0)).entries
            seen.extend(entry.id for entry in entries)

    async with asyncio.timeout(60):
        await asyncio.gather(read(), *((one, two)[n % 2].commit(Append("log", b"")) for n in range(100)))
    assert seen == list(range(1, 101))


async def test_a_commit_whose_answer_was_lost_gets_it_later_and_happens_once(
    database: Cluster, opening: Opening, socket_folder: Path
) -> None:
    async with way_to(database.folder, socket_folder) as way:
        store = await opening(host=str(socket_folder))
        await store.commit(Append("log", b"before"))
        for cut in ("answer", "request", "answer"):
            way.cut = cut
            assert await store.commit(Append("log", cut.encode()), Put("a", "x", cut.encode())) == [2 + way.cuts - 1, way.cuts]
        assert way.cuts == 3
        assert [entry.value for entry in (await store.tail("log")).entries] == [b"before", b"answer", b"request", b"answer"]
        assert store.stats()["resolved"] >= 1
        await store.close()


async def test_what_a_lost_connection_left_behind_cannot_happen_after_the_answer(
    database: Cluster, opening: Opening, schema: str, socket_folder: Path
) -> None:
    async with way_to(database.folder, socket_folder) as way:
        store = await opening(host=str(socket_folder))
        await store.commit(Append("log", b"before"))
        async with held(database, schema) as looking:
            way.cut = "answer"
            commit = asyncio.ensure_future(store.commit(Append("log", b"once")))
            await waiting(looking, 2)  # the one that was left, and the one that took its place
        assert await commit == [2]
        async with asyncio.timeout(60):
            while int(database.run("SELECT count(*) FROM pg_stat_activity WHERE state = 'active'")) > 1:  # noqa: ASYNC110  the database tells nobody
                await asyncio.sleep(0.01)
        assert [entry.value for entry in (await store.tail("log")).entries] == [b"before", b"once"]
        await store.close()


async def test_in_a_full_store_reading_goes_on_and_writing_when_there_is_room(opening: Opening) -> None:
    store = await opening(limit=1 << 20)
    numbers = itertools.count()

    async def fill() -> None:
        for number in numbers:
            await store.commit(Append("log", bytes(10_000)), Put("a", f"{number}", bytes(20_000)))

    with pytest.raises(StoreFull, match="1048576"):
        await fill()
    kept = await store.scan("a", limit=1000)
    assert 25 < len(kept) < 36
    assert len((await store.tail("log")).entries) == len(kept), "all of a commit, or none"
    figures = store.stats()
    assert (figures["full"], figures["full_now"]) == (1, 1)
    assert figures["bytes"] <= 1 << 20
    assert await store.commit(Check("a", "0", 1)) == [1], "what writes nothing needs no room"
    await store.commit(Drop("log"), Delete("a", "0"))
    await store.commit(Put("a", "again", bytes(20_000)))
    assert store.stats()["full_now"] == 0


async def test_what_is_kept_is_counted_to_the_byte(opening: Opening, database: Cluster, schema: str) -> None:
    store = await opening()
    for number in range(30):
        await store.commit(
            Put("a", f"{number % 7}", bytes(number)), Append("log", bytes(number), keep=5), Append(f"{number % 3}", b"xyz")
        )
        await store.commit(Delete("a", f"{number % 5}"), Drop(f"{number % 2}"))
    await store.rewrite(lambda kept: kept.value + b"more", "", 1000)
    sums = [
        "SELECT coalesce(sum(octet_length(key) + octet_length(value) + 100), 0) FROM records",
        "SELECT coalesce(sum(octet_length(value) + 100), 0) FROM entries",
    ]
    found = sum(int(database.run(f"SET search_path = {schema}; {each}")) for each in sums)
    assert int(database.run(f"SELECT bytes FROM {schema}.store")) == found


async def test_an_absurd_version_is_one_that_nobody_has(opening: Opening) -> None:
    store = await opening()
    for expect in (1 << 63, 1 << 200, -1, -(1 << 80)):
        with pytest.raises(Conflict):
            await store.commit(Put("a", "x", b"", expect=expect))


async def test_who_is_cancelled_leaves_no_commit_half_done(opening: Opening, database: Cluster, schema: str) -> None:
    store = await opening()
    async with held(database, schema) as looking:
        under_way, queued = [asyncio.ensure_future(store.commit(Append("log", name))) for name in (b"under way", b"queued")]
        await asyncio.sleep(0)
        await waiting(looking, 1)
        later = asyncio.ensure_future(store.commit(Append("log", b"later")))
        await asyncio.sleep(0)
        later.cancel()
        under_way.cancel()
    await queued
    await store.commit(Append("log", b"last"))
    assert [entry.value for entry in (await store.tail("log")).entries] == [b"under way", b"queued", b"last"]


async def test_a_store_that_was_closed_says_so_and_what_waited_was_done(opening: Opening, database: Cluster, schema: str) -> None:
    store, other_server = await opening(), await opening()
    async with held(database, schema) as looking:
        commits = [asyncio.ensure_future(store.commit(Append("log", b""))) for _ in range(3)]
        await asyncio.sleep(0)
        await waiting(looking, 1)
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
    await closing
    assert sorted(number for (number,) in await asyncio.gather(*commits)) == [1, 2, 3]
    for deed in (store.commit(Put("a", "x", b"")), store.get("a", "x"), store.tail("log")):
        with pytest.raises(StoreBroken, match="closed"):
            await deed
    assert len((await other_server.tail("log")).entries) == 3


async def patient(ask: Callable[[], Awaitable[Tail]]) -> Tail:
    """The answer, once the database is there again: the last that a store was told of it may be that it is away."""
    while True:
        try:
            return await ask()
        except StoreAway:
            await asyncio.sleep(0.05)


async def test_a_restart_under_load_loses_and_doubles_nothing(schema: str) -> None:
    """What was answered is there; what was not is there once, or not at all."""
    with cluster() as database:
        stores = [await opened_at(database, schema) for _ in range(2)]
        answered: set[bytes] = set()
        unknown: set[bytes] = set()
        ended = False

        async def write(writer: int) -> None:
            number = 0
            while not ended:
                number += 1
                name = b"%d %d" % (writer, number)
                try:
                    await stores[writer % 2].commit(Append("log", name, keep=100_000), Put("last", f"{writer}", name))
                except StoreAway as error:
                    if "or not" in error.message:
                        unknown.add(name)
                    await asyncio.sleep(0.05)
                else:
                    answered.add(name)

        async def more(than: int) -> None:
            async with asyncio.timeout(60):
                while len(answered) < than:  # noqa: ASYNC110  the database tells nobody
                    await asyncio.sleep(0.01)

        writing = [asyncio.ensure_future(write(writer)) for writer in range(6)]
        for end in (database.stop, database.kill):
            await more(len(answered) + 200)
            await asyncio.to_thread(end)
            await asyncio.to_thread(database.start)
        await more(len(answered) + 200)
        ended = True
        await asyncio.gather(*writing)
        found: list[bytes] = []
        after = 0
        while entries := (await patient(lambda at=after: stores[0].tail("log", at, 1000))).entries:
            found += [entry.value for entry in entries]
            after = entries[-1].id
        assert len(found) == len(set(found))
        assert answered <= set(found) <= answered | unknown
        for store in stores:
            await store.close()


async def test_nobody_waits_for_a_database_that_stays_away(schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    with cluster() as database:
        store = await opened_at(database, schema)
        await store.commit(Put("a", "x", b"1"))
        told: list[str] = []
        store.told = told.append
        await asyncio.to_thread(database.stop)
        for _ in range(3):
            with pytest.raises(StoreAway) as raised:
                await store.commit(Put("a", "x", b"2"))
            assert raised.value.retryable
            with pytest.raises(StoreAway):
                await store.get("a", "x")
        assert store.stats()["away"] == 1
        await asyncio.to_thread(database.start)
        async with asyncio.timeout(60):
            while True:
                try:
                    assert await store.commit(Put("a", "x", b"3", expect=1)) == [2]
                    break
                except StoreAway:
                    await asyncio.sleep(0.05)
            while not told or told[-1]:  # noqa: ASYNC110  the database tells nobody
                await asyncio.sleep(0.05)
        assert (await store.get("a", "x")) is not None
        assert store.stats()["away"] == 0
        await store.close()


async def opened_at(database: Cluster, schema: str) -> PostgresqlStore:
    async def no_password() -> None:
        return None

    settings = PostgresqlSettings(**database.settings(schema=schema))
    return await PostgresqlStore.open(Connecting(settings, no_password, "test"), settings, clock=lambda: 0.0, name="test")


async def test_what_is_durable_is_on_the_disk_when_it_is_answered_and_what_is_not_costs_no_flush(schema: str) -> None:
    nobody_else_writes = {"autovacuum": "off", "wal_level": "minimal", "max_wal_senders": "0"}
    with cluster(fsync="on", wal_writer_delay="10s", wal_writer_flush_after="1GB", **nobody_else_writes) as database:
        store = await opened_at(database, schema)
        flushed = "SELECT pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()"
        await store.commit(Put("a", "x", b"1"))
        assert database.run(flushed) == "t"
        await store.commit(Put("a", "x", b"2"), durable=False)
        assert database.run(flushed) == "f"
        await asyncio.gather(store.commit(Put("a", "y", b""), durable=False), store.commit(Put("a", "z", b"")))
        assert database.run(flushed) == "t", "one that is durable makes all of its transaction so"
        await store.close()

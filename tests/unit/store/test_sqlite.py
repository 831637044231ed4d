"""The store in a file: what every store does, group commit, bounds, damage, and what a host does to it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import Append, Conflict, Delete, Put, Record, Store, StoreBroken, StoreDamaged, StoreFull, StoreInUse
from appliance.store.sqlite import SqliteStore
from appliance.testing.conformance.store import NOW, Clock, StoreConformance


class TestSqliteStore(StoreConformance):
    seconds = 60.0

    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path: Path) -> None:
        self._tmp = tmp_path

    def place(self) -> Any:
        return self._tmp / "store"

    async def opened(self, place: Any, clock: Callable[[], float]) -> Store:
        return await SqliteStore.open(place, clock=clock)


async def opened(tmp_path: Path, clock: Clock | None = None, **more: Any) -> SqliteStore:
    return await SqliteStore.open(tmp_path / "store", clock=clock or Clock(), **more)


async def until(true: Callable[[], bool], store: Store, clock: Clock) -> None:
    """Let time pass until it is so."""
    async with asyncio.timeout(60):
        while not true():
            clock.now += 60
            await store.commit()


async def test_commits_that_wait_together_are_one_transaction(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    held = threading.Event()
    waiting = asyncio.ensure_future(store._write(lambda _: held.wait(60)))
    await asyncio.sleep(0)
    commits = [asyncio.ensure_future(store.commit(Put("a", str(n), b"", expect=n % 2))) for n in range(40)]
    await asyncio.sleep(0)
    before = store.stats()["transactions"]
    held.set()
    done = await asyncio.gather(waiting, *commits, return_exceptions=True)
    assert [isinstance(each, Conflict) for each in done[1:]] == [n % 2 == 1 for n in range(40)]
    assert [int(record.key) % 2 for record in await store.scan("a")] == [0] * 20
    assert store.stats()["transactions"] - before <= 2
    assert store.stats()["conflicts"] == 20
    await store.close()


async def test_a_reader_does_not_wait_for_the_writer(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit(Put("a", "key", b"one"))
    held, there = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE records SET value = x'00'")
        there.set()
        held.wait(60)

    writing = asyncio.ensure_future(store._write(slow))
    assert await asyncio.to_thread(there.wait, 60)
    assert await store.get("a", "key") == Record("key", b"one", 1)
    held.set()
    await writing
    assert await store.get("a", "key") == Record("key", b"\0", 1)
    await store.close()


async def test_a_commit_that_nobody_waits_for_any_more_is_not_begun(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    held = threading.Event()
    first = asyncio.ensure_future(store._write(lambda _: held.wait(60)))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(store.commit(Put("a", "key", b"")))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    held.set()
    await first
    await store.commit()
    assert await store.scan("a") == []
    await store.close()


async def test_what_waits_when_it_is_closed_is_written_and_then_nothing(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    commits = [asyncio.ensure_future(store.commit(Put("a", str(n), b""))) for n in range(100)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*commits)
    for deed in (store.commit(Put("a", "x", b"")), store.get("a", "1"), store.scan("a"), store.tail("a")):
        with pytest.raises(StoreBroken, match="closed"):
            await deed
    store = await opened(tmp_path)
    assert len(await store.scan("a", limit=200)) == 100
    await store.close()


async def test_threads_have_names_and_end_with_the_store(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = await opened(tmp_path)
    await store.copy()
    threads = set(threading.enumerate()) - before
    assert {thread.name for thread in threads} == {"store-writer", "store-reader_0", "store-copier_0"}
    await store.close()
    for thread in threads:
        await asyncio.to_thread(thread.join, 60)
        assert not thread.is_alive()


async def test_expired_records_leave_the_file_in_small_pieces(tmp_path: Path) -> None:
    clock = Clock()
    store = await opened(tmp_path, clock, elapsed=clock)
    await store.commit(*(Put("tokens", f"{n:04}", bytes(4_000), expires=NOW + 10) for n in range(900)), Put("a", "stays", b""))
    size = store.stats()["bytes"]
    clock.now = NOW + 10
    assert await store.scan("tokens") == []
    await until(lambda: store.stats()["expired"] == 900, store, clock)
    await until(lambda: store.stats()["bytes"] < size // 2, store, clock)
    assert [record.key for record in await store.scan("a")] == ["stays"]
    await store.close()


async def test_a_clock_that_goes_back_does_not_stop_the_sweep(tmp_path: Path) -> None:
    clock, elapsed = Clock(), Clock()
    store = await opened(tmp_path, clock, elapsed=elapsed)
    clock.now = NOW - 1e8
    await store.commit(Put("a", "key", b"", expires=int(clock.now) + 2))

    def swept() -> bool:
        elapsed.now += 60
        return store.stats()["expired"] == 1

    await until(swept, store, clock)
    await store.close()


async def test_what_expired_by_a_clock_that_was_set_ahead_stays_until_that_clock_has_gone_right_for_an_hour(
    tmp_path: Path,
) -> None:
    clock, elapsed = Clock(), Clock()
    store = await opened(tmp_path, clock, elapsed=elapsed)
    await store.commit(Put("a", "key", b"", expires=NOW + 86_400 * 30), Put("a", "short", b"", expires=NOW + 60))

    async def hours(number: int) -> None:
        for _ in range(number * 4):
            clock.now += 900
            elapsed.now += 900
            await store.commit()
            await store._write(lambda _: None)  # the tidying between the two is over

    await hours(3)
    assert store.stats()["expired"] == 1
    clock.now += 1e9
    await hours(1)
    assert await store.get("a", "key") is None
    clock.now -= 1e9
    assert await store.get("a", "key") == Record("key", b"", 1)
    clock.now += 1e9
    await hours(3)
    assert store.stats()["expired"] == 2
    await store.close()


async def test_a_store_that_cannot_be_written_says_so_until_it_can(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    store._writer._connection.execute("PRAGMA query_only = 1")  # as a disk that has become read-only
    for _ in range(2):
        with pytest.raises(StoreBroken, match="cannot be written"):
            await store.commit(Put("a", "x", b""))
    assert (store.stats()["broken"], store.stats()["broken_now"], store.stats()["full_now"]) == (2, 1, 0)
    assert await store.get("a", "x") is None
    store._writer._connection.execute("PRAGMA query_only = 0")
    assert await store.commit(Put("a", "x", b"")) == [1]
    assert (store.stats()["broken_now"], store.stats()["damaged"]) == (0, 0)
    await store.close()


async def test_what_expired_makes_room_at_once_in_a_store_that_is_full(tmp_path: Path) -> None:
    clock = Clock()
    store = await opened(tmp_path, clock, limit=400_000)
    with pytest.raises(StoreFull):
        await all_of(store.commit(Put("a", str(n), bytes(20_000), expires=NOW + 5), durable=False) for n in range(1_000))
    clock.now = NOW + 10
    async with asyncio.timeout(60):
        while store.stats()["full_now"]:
            with suppress(StoreFull):
                await store.commit(Put("b", "new", bytes(40_000)))
            clock.now += 60
    assert [record.key for record in await store.scan("b")] == ["new"]
    await store.close()


async def test_a_full_store_refuses_what_is_new_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = await opened(tmp_path, limit=1_000_000)
    with pytest.raises(StoreFull):
        await all_of(store.commit(Put("a", str(n), bytes(20_000)), Append("log", b""), durable=False) for n in range(1_000))
    kept = len(await store.scan("a", limit=1_000))
    assert 30 < kept < 50
    assert (await store.tail("log")).newest == kept
    assert store.stats()["full"] == store.stats()["full_now"] == 1
    small = [asyncio.ensure_future(store.commit(Put("small", str(n), b""))) for n in range(5)]
    large = asyncio.ensure_future(store.commit(Put("large", "x", bytes(500_000))))
    assert await asyncio.gather(*small) == [[1]] * 5, "a commit that does not fit takes no other one with it"
    with pytest.raises(StoreFull):
        await large
    await store.commit(*(Delete("a", str(number)) for number in range(kept)))
    assert store.stats()["full_now"] == 0
    assert await store.commit(Put("large", "x", bytes(500_000))) == [1]
    assert store.stats()["bytes"] <= 1_000_000
    await store.close()


async def test_two_processes_cannot_write_one_store(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    with pytest.raises(StoreInUse):
        await opened(tmp_path)
    assert await store.commit(Put("a", "key", b"")) == [1]
    await store.close()
    await (await opened(tmp_path)).close()


async def test_nobody_else_can_read_its_files(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit(Put("a", "key", b""))
    await store.copy()
    folder = tmp_path / "store"
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.iterdir()]} == {0}
    await store.close()


async def test_a_damaged_store_is_replaced_by_its_last_good_copy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await opened(tmp_path)
    await store.commit(*(Put("a", f"{n:03}", bytes(1_000)) for n in range(200)), Append("log", b"one"))
    async with asyncio.timeout(60):
        while not store.stats()["copies"]:  # noqa: ASYNC110  the one that is made by itself, and may be late
            await asyncio.sleep(0.01)
    await store.copy()
    await store.commit(Put("a", "000", b"after the copy"), Append("log", b"two"))
    await store.close()
    main = tmp_path / "store/store.sqlite"
    damage(main)
    store = await opened(tmp_path)
    assert store.stats()["restored"] == 1
    assert "its last good copy is used" in caplog.text
    assert len(await store.scan("a", limit=500)) == 200
    assert (await store.get("a", "000")) == Record("000", bytes(1_000), 1)
    assert (await store.commit(Append("log", b"three")))[0] > 2, "an id is never given twice"
    assert [entry.value for entry in (await store.tail("log")).entries] == [b"one", b"three"]
    assert (tmp_path / "store/broken.sqlite").exists()
    await store.close()


@pytest.mark.parametrize("what", ["empty", "missing", "no database", "cut off"])
async def test_whatever_is_wrong_with_the_file_the_copy_comes_back(what: str, tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit(*(Put("a", f"{n:03}", bytes(1_000)) for n in range(50)))
    await store.copy()
    await store.close()
    main = tmp_path / "store/store.sqlite"
    match what:
        case "empty":
            main.write_bytes(b"")
        case "missing":
            main.unlink()
        case "no database":
            main.write_bytes(b"hello" * 10_000)
        case _:
            main.write_bytes(main.read_bytes()[:20_000])
    store = await opened(tmp_path)
    assert len(await store.scan("a")) == 50
    await store.close()


async def test_damage_without_a_copy_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "store.sqlite").write_bytes(b"hello" * 10_000)
    with pytest.raises(StoreBroken, match="no copy") as raised:
        await opened(tmp_path)
    assert "restore" in raised.value.hint
    assert (folder / "store.sqlite").read_bytes() == b"hello" * 10_000


async def test_damage_that_shows_while_it_runs_stops_writing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await opened(tmp_path)
    await store.commit(*(Put("a", f"{n:03}", bytes(30_000)) for n in range(200)))
    await store.copy()
    await store._write(lambda _: None)
    sqlite3.connect(tmp_path / "store/store.sqlite").execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(tmp_path / "store/store.sqlite")
    with pytest.raises(StoreBroken, match="damaged"):
        await all_of(store.commit(Delete("a", f"{n:03}")) for n in range(200))
    with pytest.raises(StoreBroken, match="damaged"):
        await store.commit(Put("b", "key", b""))
    assert store.stats()["broken"] >= 1
    assert caplog.text.count("nothing is written any more") == 1
    await store.close()
    store = await opened(tmp_path)
    assert len(await store.scan("a", limit=500)) == 200
    await store.close()


async def test_damage_that_only_the_hourly_copy_sees_stops_writing_too(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit(*(Put("a", f"{n:03}", bytes(30_000)) for n in range(50)))
    await store.copy()
    await store.close()
    store = await opened(tmp_path, copy_every=1e9)
    damage(tmp_path / "store/store.sqlite")
    with pytest.raises(StoreDamaged):
        await store.copy()
    with pytest.raises(StoreDamaged):
        await store.commit(Put("b", "key", b""))
    await store.close()
    store = await opened(tmp_path)
    assert len(await store.scan("a")) == 50
    await store.close()


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_is_taken_away_stops_writing(replaced: bool, tmp_path: Path) -> None:
    clock = Clock()
    store = await opened(tmp_path, clock)
    await store.commit(Put("a", "key", b"there"))
    await store.copy()
    main = tmp_path / "store/store.sqlite"
    if replaced:
        main.with_name("other").write_bytes(main.read_bytes())
        main.with_name("other").replace(main)
    else:
        main.unlink()
    with pytest.raises(StoreDamaged, match="removed"):
        await until(lambda: False, store, clock)
    await store.close()
    store = await opened(tmp_path)
    assert await store.get("a", "key") == Record("key", b"there", 1)
    await store.close()


async def test_somebody_elses_shell_is_in_the_way_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.store.copies.PATIENCE", 0.05)
    store = await opened(tmp_path)
    shell = sqlite3.connect(tmp_path / "store/store.sqlite", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreInUse) as raised:
        await store.commit(Put("a", "key", b""))
    assert raised.value.retryable
    shell.execute("ROLLBACK")
    shell.close()
    assert await store.commit(Put("a", "key", b"")) == [1]
    await store.close()


async def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    with sqlite3.connect(folder / "store.sqlite") as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    before = (folder / "store.sqlite").read_bytes()
    with pytest.raises(StoreBroken, match="another program"):
        await opened(tmp_path)
    assert (folder / "store.sqlite").read_bytes() == before


async def all_of(deeds: Iterable[Awaitable[Any]]) -> None:
    """One after the other."""
    for deed in deeds:
        await deed


def damage(main: Path) -> None:
    """Half of the pages become nonsense."""
    octets = bytearray(main.read_bytes())
    for page in range(2 * 4096, len(octets), 2 * 4096):
        octets[page : page + 4096] = b"\xa5" * len(octets[page : page + 4096])
    with main.open("r+b") as file:
        file.write(octets)

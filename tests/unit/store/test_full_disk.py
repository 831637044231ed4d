"""A disk that fills up, or is mounted read-only, under a store: a small tmpfs."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.api.stores import Append, Delete, Put, StoreBroken, StoreFull
from appliance.store.opening import open_store
from appliance.store.sqlite import SqliteStore
from appliance.testing.conformance.store import Clock

pytestmark = pytest.mark.netns  # root may mount


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place)
    yield place
    run("umount", "-l", place)


def run(*words: str | Path) -> None:
    subprocess.run(words, check=True)


def stuff(path: Path) -> None:
    """Take all the room there is."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


async def test_a_full_disk_stops_writing_and_it_goes_on_when_there_is_room(disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await SqliteStore.open(disk / "store", clock=Clock())
    await store.commit(Put("users", "alice", b"there"), Append("log", b"first"))
    stuffing = disk / "stuffing"
    stuff(stuffing)
    for durable in (True, False):
        with pytest.raises(StoreFull) as raised:
            await store.commit(Put("large", "x", bytes(500_000)), Append("log", b"lost"), durable=durable)
    assert raised.value.retryable
    assert (await store.tail("log")).newest == 1
    assert (await store.get("users", "alice") or pytest.fail("gone")).value == b"there"
    figures = store.stats()
    assert (figures["full"], figures["full_now"], figures["broken"]) == (2, 1, 0)
    assert caplog.text.count("the store is full") == 1
    stuffing.unlink()
    await store.commit(Put("large", "x", bytes(500_000)), Append("log", b"second"))
    assert store.stats()["full_now"] == 0
    await store.commit(Delete("large", "x"))
    await store.close()
    store = await SqliteStore.open(disk / "store", clock=Clock())
    assert [entry.value for entry in (await store.tail("log")).entries] == [b"first", b"second"]
    await store.close()


async def test_no_room_for_a_copy_costs_no_commit(disk: Path) -> None:
    store = await SqliteStore.open(disk / "store", clock=Clock())
    await store.commit(Put("large", "x", bytes(600_000)))
    stuff(disk / "stuffing")
    with pytest.raises((StoreFull, OSError)):
        await store.copy()
    async with asyncio.timeout(60):
        while list((disk / "store").glob("*.part")):  # noqa: ASYNC110  of the copy that is made by itself after a commit
            await asyncio.sleep(0.01)
    (disk / "stuffing").unlink()
    assert await store.commit(Put("users", "alice", b"there")) == [1]
    await store.close()


async def test_a_disk_that_is_mounted_read_only_is_told(disk: Path) -> None:
    store = await open_store(disk / "store")
    await store.commit(Put("users", "alice", b"there"))
    await store.close()
    run("mount", "-o", "remount,ro", disk)
    with pytest.raises(StoreBroken, match="read-only") as raised:
        await open_store(disk / "store")
    assert "mounted read-only" in raised.value.hint
    run("mount", "-o", "remount,rw", disk)
    store = await open_store(disk / "store")
    assert (await store.get("users", "alice") or pytest.fail("gone")).value == b"there"
    await store.close()


async def test_a_file_that_may_not_be_written_is_told(disk: Path) -> None:
    store = await SqliteStore.open(disk / "store", clock=Clock())
    await store.close()
    main = disk / "store" / "store.sqlite"
    run("mount", "--bind", main, main)
    try:
        run("mount", "-o", "remount,bind,ro", main)
        with pytest.raises(StoreBroken, match="read-only"):
            await SqliteStore.open(disk / "store", clock=Clock())
    finally:
        run("umount", main)

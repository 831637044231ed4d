"""Sealed values: every store's promises hold, nobody reads them on the disk, and keys change while the store is used."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import Append, ChangeInvalid, Conflict, Put, RewritableStore, Store, StoreBroken
from appliance.foundation.entropy import random_bytes
from appliance.store.envelope import CIPHERS
from appliance.store.keys import Keys
from appliance.store.memory import MemoryStore
from appliance.store.ring import KEY, SPACE, StoreSealed
from appliance.store.sealed import SealedStore
from appliance.store.sqlite import SqliteStore
from appliance.testing.conformance.store import Clock, StoreConformance

SECRET = b"a rather long secret that is nowhere else"


class TestSealedSqliteStore(StoreConformance):
    seconds = 60.0
    rewrites = False

    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path: Path) -> None:
        self._tmp = tmp_path

    def place(self) -> Any:
        return self._tmp / "store"

    async def opened(self, place: Any, clock: Callable[[], float]) -> Store:
        return await sealed(await SqliteStore.open(place, clock=clock), place)


async def sealed(store: RewritableStore, folder: Path, cipher: str = "hse") -> SealedStore:
    folder.mkdir(exist_ok=True)
    keys = Keys(folder, entropy=random_bytes)
    return await SealedStore.open(store, keys, entropy=random_bytes, clock=Clock(), cipher=cipher)


async def value(store: Store, space: str, key: str) -> bytes:
    record = await store.get(space, key)
    assert record is not None
    return record.value


@pytest.fixture
def inside() -> MemoryStore:
    return MemoryStore(clock=Clock())


@pytest.mark.parametrize("cipher", CIPHERS)
async def test_values_do_not_show_on_the_disk(cipher: str, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store = await sealed(await SqliteStore.open(folder, clock=Clock()), folder, cipher)
    await store.commit(Put("users", "alice", SECRET), Append("events", SECRET))
    written = b"".join((folder / name).read_bytes() for name in ("store.sqlite", "store.sqlite-wal"))
    assert b"alice" in written
    assert SECRET not in written
    assert await value(store, "users", "alice") == SECRET
    await store.close()
    assert not [path for path in folder.iterdir() if SECRET in path.read_bytes()], "nor in a copy"


async def test_the_same_value_is_sealed_anew_each_time(inside: MemoryStore, tmp_path: Path) -> None:
    store = await sealed(inside, tmp_path)
    await store.commit(Put("a", "1", SECRET), Put("a", "2", SECRET), Append("log", SECRET), Append("log", SECRET))
    values = [record.value for record in await inside.scan("a")] + [entry.value for entry in (await inside.tail("log")).entries]
    assert len({value[33:] for value in values}) == 4


async def test_a_value_opens_only_where_it_was_written(inside: MemoryStore, tmp_path: Path) -> None:
    store = await sealed(inside, tmp_path)
    await store.commit(Put("users", "alice", b"admin"), Put("users", "bob", b"viewer"), Append("l", b"entry"))
    alice = await value(inside, "users", "alice")
    entry = (await inside.tail("l")).entries[0].value
    await inside.commit(Put("users", "bob", alice), Put("tokens", "alice", alice), Append("m", entry), Put("l", "x", entry))
    for space, key in (("users", "bob"), ("tokens", "alice"), ("l", "x")):
        with pytest.raises(StoreBroken, match=f"{space}/{key} does not open"):
            await store.get(space, key)
        with pytest.raises(StoreBroken):
            await store.scan(space)
    with pytest.raises(StoreBroken, match="an entry of m does not open"):
        await store.tail("m")
    assert store.stats()["unopened"] == 7
    assert await value(store, "users", "alice") == b"admin"


@pytest.mark.parametrize("cipher", CIPHERS)
async def test_each_bit_of_a_value_is_authenticated(cipher: str, inside: MemoryStore, tmp_path: Path) -> None:
    store = await sealed(inside, tmp_path, cipher)
    await store.commit(Put("a", "key", b"value"))
    sound = await value(inside, "a", "key")
    for bit in range(0, 8 * len(sound), 5):
        changed = bytearray(sound)
        changed[bit // 8] ^= 1 << bit % 8
        await inside.commit(Put("a", "key", bytes(changed)))
        with pytest.raises(StoreBroken):
            await store.get("a", "key")
    for size in (0, 1, 32, len(sound) - 1):
        await inside.commit(Put("a", "key", sound[:size]))
        with pytest.raises(StoreBroken):
            await store.get("a", "key")


async def test_its_own_keys_are_out_of_reach(inside: MemoryStore, tmp_path: Path) -> None:
    store = await sealed(inside, tmp_path)
    assert await store.get(SPACE, KEY) is None
    assert await store.scan(SPACE) == []
    with pytest.raises(ChangeInvalid):
        await store.commit(Put(SPACE, KEY, b""))


async def test_rewrap_changes_the_key_and_no_value(inside: MemoryStore, tmp_path: Path) -> None:
    store = await sealed(inside, tmp_path)
    await store.commit(Put("a", "key", SECRET))
    before = await inside.scan("a")
    keys = Keys(tmp_path, entropy=random_bytes)
    await store.rewrap(keys.of_passphrase(b"correct horse battery"))
    assert await inside.scan("a") == before
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(StoreSealed, match="passphrase"):
        await sealed(inside, tmp_path)
    for given, opens in ((b"correct horse battery", True), (b"wrong horse battery", False)):
        keys = Keys(tmp_path, entropy=random_bytes, passphrase=lambda given=given: given)  # type: ignore[misc]
        opening = SealedStore.open(inside, keys, entropy=random_bytes, clock=Clock())
        if opens:
            assert await value(await opening, "a", "key") == SECRET
        else:
            with pytest.raises(StoreSealed, match="not the key"):
                await opening


async def test_rotate_seals_everything_again_under_another_cipher(inside: MemoryStore, tmp_path: Path) -> None:
    store = await sealed(inside, tmp_path, "aes-256-gcm")
    await store.commit(*(Put("a", str(n), SECRET) for n in range(30)), *(Append("log", SECRET) for _ in range(5)))
    first = store.ring.current
    told: list[str] = []
    assert await store.rotate("chacha20-poly1305", told.append) == 35
    assert told[0] == "a new data key"
    assert first.number not in store.ring.keys
    values = [record.value for record in await inside.scan("a")] + [entry.value for entry in (await inside.tail("log")).entries]
    assert {value[:5] for value in values} == {b"\2\0\0\0\2"}
    assert {record.value for record in await store.scan("a")} == {SECRET}
    assert {record.version for record in await store.scan("a")} == {1}
    assert store.stats()["data_key"] == 2
    assert store.stats()["data_keys"] == 1
    assert {record.value for record in await (await sealed(inside, tmp_path)).scan("a")} == {SECRET}


async def test_a_rotation_that_meets_a_damaged_value_keeps_the_earlier_key(inside: MemoryStore, tmp_path: Path) -> None:
    store = await sealed(inside, tmp_path)
    await store.commit(Put("a", "1", SECRET), Put("a", "2", SECRET))
    await inside.commit(Put("a", "2", b"nonsense" * 10))
    with pytest.raises(StoreBroken, match="a/2"):
        await store.rotate()
    assert await value(store, "a", "1") == SECRET
    assert store.stats()["data_keys"] == 2
    await store.commit(Put("a", "2", SECRET))
    await store.rotate()
    assert store.stats()["data_keys"] == 1
    assert {record.value for record in await store.scan("a")} == {SECRET}


async def test_it_is_used_while_keys_change(tmp_path: Path) -> None:
    """Two servers at one store: each writes while the other one rotates, and neither loses a thing."""
    folder = tmp_path / "store"
    inside = await SqliteStore.open(folder, clock=Clock())
    one, other = await sealed(inside, folder), await sealed(inside, folder)
    await one.commit(*(Put("a", f"{n}", SECRET) for n in range(250)))
    turning = True

    async def write(store: SealedStore, name: str) -> int:
        done = 0
        while turning or not done:
            await store.commit(Put("b", f"{name} {done}", SECRET, expect=0), Append("log", SECRET), durable=False)
            done += 1
        return done

    writers = [asyncio.ensure_future(write(store, name)) for store, name in ((one, "one"), (other, "other"))]
    await one.rotate()
    await other.rotate("aes-256-gcm")
    await one.rewrap(Keys(folder, entropy=random_bytes).new_file())
    await one.rotate("chacha20-poly1305")
    turning = False
    written = sum(await asyncio.gather(*writers))
    for store in (one, other):
        assert (await store.tail("log")).newest == written
        found = [*await store.scan("b", limit=1_000), *await store.scan("a", limit=500)]
        assert {record.value for record in found} == {SECRET}
    numbers = {value[:5] for (value,) in sqlite3.connect(folder / "store.sqlite").execute("SELECT value FROM entries")}
    assert numbers == {b"\2\0\0\0\4"}
    await one.close()


async def test_two_servers_that_begin_at_once_have_one_key(inside: MemoryStore, tmp_path: Path) -> None:
    one, other = await asyncio.gather(sealed(inside, tmp_path), sealed(inside, tmp_path))
    await one.commit(Put("a", "key", SECRET))
    assert await value(other, "a", "key") == SECRET


async def test_a_conflict_of_the_callers_stays_one(inside: MemoryStore, tmp_path: Path) -> None:
    store = await sealed(inside, tmp_path)
    await store.rotate()
    with pytest.raises(Conflict, match="a/key"):
        await store.commit(Put("a", "key", b"", expect=7))


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"form": 1, "wrapping": {}, "keys": []}', b"\xff"])
async def test_keys_that_are_damaged_are_told(document: bytes, inside: MemoryStore, tmp_path: Path) -> None:
    await sealed(inside, tmp_path)
    await inside.commit(Put(SPACE, KEY, document))
    with pytest.raises(StoreBroken, match="damaged"):
        await sealed(inside, tmp_path)

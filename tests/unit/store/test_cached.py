"""A store with a cache before it: quick, never behind its own process, and no worse when the cache is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import Conflict, Put, Record
from appliance.foundation.clock import wall
from appliance.store import cached
from appliance.store.cached import SECONDS, CachedStore
from appliance.store.memory import MemoryStore
from appliance.store.memory_cache import MemoryCache
from appliance.store.opening import sealed
from appliance.testing.conformance.store import StoreConformance


class Slot:
    def __init__(self, cache: MemoryCache | None) -> None:
        self.cache = cache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cached_pair() -> tuple[CachedStore, CachedStore, Clock]:
    """Two servers with one store and one cache."""
    clock = Clock()
    inside, slot = MemoryStore(clock=wall), Slot(MemoryCache(clock))
    return CachedStore(inside, slot), CachedStore(inside, slot), clock


class TestCachedStore(StoreConformance):
    """It is a store as any other."""

    outlives = False

    async def opened(self, place: Any, clock: Callable[[], float]) -> CachedStore:
        return CachedStore(MemoryStore(clock=clock), Slot(MemoryCache(clock)))


async def test_what_is_read_again_is_not_asked_of_the_store() -> None:
    store, _, _ = cached_pair()
    await store.commit(Put("s", "k", b"v"))
    assert [await store.get("s", "k") for _ in range(3)] == [Record("k", b"v", 1)] * 3
    assert store.stats()["cache_hits"] == 2
    assert await store.get("s", "other") is None


async def test_a_change_is_seen_at_once_here_and_soon_elsewhere() -> None:
    one, two, clock = cached_pair()
    await one.commit(Put("s", "k", b"old"))
    await two.get("s", "k")
    await one.commit(Put("s", "k", b"new"))
    for store in (one, two):
        assert await store.get("s", "k") == Record("k", b"new", 2)
    other = CachedStore(one._inside, Slot(None))
    await other.commit(Put("s", "k", b"newest"))
    assert await one.get("s", "k") == Record("k", b"new", 2), "who has another cache is seen later"
    clock.now += SECONDS
    assert await one.get("s", "k") == Record("k", b"newest", 3)


async def test_after_a_conflict_what_is_read_is_new() -> None:
    one, _, _ = cached_pair()
    await one.commit(Put("s", "k", b"old"))
    await one.get("s", "k")
    await CachedStore(one._inside, Slot(None)).commit(Put("s", "k", b"new"))
    with pytest.raises(Conflict):
        await one.commit(Put("s", "k", b"mine", expect=1))
    assert await one.get("s", "k") == Record("k", b"new", 2)


async def test_an_old_value_that_is_under_way_to_the_cache_does_not_stay_there() -> None:
    one, _, _ = cached_pair()
    await one.commit(Put("s", "k", b"old"))
    slot = one._slot
    may_put = asyncio.Event()

    class Slow(MemoryCache):
        async def put(self, key: str, value: bytes, seconds: float) -> None:
            await may_put.wait()
            await super().put(key, value, seconds)

    slot.cache = Slow(Clock())
    reading = asyncio.get_running_loop().create_task(one.get("s", "k"))
    await asyncio.sleep(0)
    await one.commit(Put("s", "k", b"new"))
    may_put.set()
    await reading
    assert await one.get("s", "k") == Record("k", b"new", 2)


async def test_a_cache_that_fails_is_as_none() -> None:
    class Gone:
        async def get(self, _key: str) -> bytes | None:
            raise ConnectionError

        async def put(self, _key: str, _value: bytes, _seconds: float) -> None:
            raise ConnectionError

        async def drop(self, _key: str) -> None:
            raise ConnectionError

    slot = Slot(None)
    store = CachedStore(MemoryStore(clock=wall), slot)
    slot.cache = Gone()  # type: ignore[assignment]
    await store.commit(Put("s", "k", b"v"))
    assert await store.get("s", "k") == Record("k", b"v", 1)
    assert store.stats()["cache_failures"] == 3


@pytest.mark.parametrize(
    "answer", [ValueError("no"), asyncio.CancelledError(), SystemExit(1), "no bytes, but text", b"short", None]
)
async def test_a_cache_that_is_broken_is_as_none(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "PATIENCE", 0.01)

    class Broken:
        async def get(self, _key: str) -> Any:
            if answer is None:
                await asyncio.Event().wait()
            if isinstance(answer, BaseException):
                raise answer
            return answer

        put = drop = get

    slot = Slot(None)
    store = CachedStore(MemoryStore(clock=wall), slot)
    slot.cache = Broken()  # type: ignore[assignment]
    await store.commit(Put("s", "k", b"v"))
    assert await store.get("s", "k") == Record("k", b"v", 1)


async def test_who_gives_up_is_let_go_while_the_cache_hangs() -> None:
    class Hangs(MemoryCache):
        async def get(self, _key: str) -> bytes | None:
            await asyncio.Event().wait()
            return None

    reading = asyncio.get_running_loop().create_task(CachedStore(MemoryStore(clock=wall), Slot(Hangs(Clock()))).get("s", "k"))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_stores_that_share_a_cache_by_mistake_see_nothing_of_each_other() -> None:
    slot = Slot(MemoryCache(Clock()))
    one, other = CachedStore(MemoryStore(clock=wall), slot), CachedStore(MemoryStore(clock=wall), slot)
    one.name, other.name = "one", "other"
    for store in (one, other):
        await store.commit(Put("s", "k", store.name.encode()))
    for store in (one, other, one):
        assert await store.get("s", "k") == Record("k", store.name.encode(), 1)


async def test_many_changes_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "MOST_UNDER_WAY", 10)
    one, _, _ = cached_pair()
    for number in range(50):
        await one.commit(Put("s", f"k{number}", b"v"))
        assert await one.get("s", f"k{number}") is not None
    assert len(one._changes) <= 11


async def test_a_value_that_was_sealed_again_is_read_from_the_store() -> None:
    one, _, _ = cached_pair()
    await one.commit(Put("s", "k", b"old"))
    await one.get("s", "k")
    await one.rewrite(lambda _kept: b"sealed again", "", 10)
    assert await one.get("s", "k") == Record("k", b"sealed again", 1)


async def test_what_was_sealed_under_a_key_that_another_server_has_replaced_is_read_anew(tmp_path: Path) -> None:
    inside, slot = MemoryStore(clock=wall), Slot(MemoryCache(Clock()))
    here = await sealed(CachedStore(inside, slot), tmp_path)
    await here.commit(Put("users", "alice", b"there"))
    assert await here.get("users", "alice") == Record("alice", b"there", 1)
    elsewhere = await sealed(inside, tmp_path)
    await elsewhere.rotate()
    await here.commit(Put("users", "bob", b"new"))  # by which it learns that there are other keys
    for name, value in (("alice", b"there"), ("bob", b"new"), ("alice", b"there")):
        assert await here.get("users", name) == Record(name, value, 1)
    assert here.stats()["unopened"] == 0

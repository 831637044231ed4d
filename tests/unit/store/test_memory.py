"""A store in memory: what every store does, and its limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.api.slowest_clock import HOLD
from appliance.api.stores import Append, Delete, Put, StoreFull
from appliance.store.memory import SWEPT, MemoryStore
from appliance.testing.conformance.store import NOW, Clock, StoreConformance


class TestMemoryStore(StoreConformance):
    outlives = False

    async def opened(self, place: Any, clock: Callable[[], float]) -> MemoryStore:
        return MemoryStore(clock=clock)


async def test_a_full_store_refuses_what_is_new_and_goes_on_when_there_is_room() -> None:
    store = MemoryStore(clock=Clock(), limit=10_000)
    await store.commit(Put("a", "large", bytes(9_000)))
    for change in (Put("a", "more", bytes(1_000)), Append("log", bytes(1_000))):
        with pytest.raises(StoreFull):
            await store.commit(change)
    assert [record.key for record in await store.scan("a")] == ["large"]
    assert (await store.tail("log")).newest == 0
    await store.commit(Delete("a", "large"))
    assert await store.commit(Put("a", "more", bytes(1_000))) == [1]
    assert store.stats()["full"] == 2


async def test_what_expired_makes_room_in_small_pieces() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock, elapsed=clock)
    await store.commit(*(Put("tokens", str(n), b"", expires=NOW + 1) for n in range(SWEPT + 50)), Put("tokens", "stays", b""))
    before = store.stats()["bytes"]
    await store.commit(Put("tokens", "0", b"for ever"))
    clock.now = NOW + 2
    await store.commit()
    assert store.stats()["expired"] == 0, "the clock may be wrong"
    clock.now += 2 * HOLD
    await store.commit()
    assert store.stats()["expired"] in (SWEPT, SWEPT - 1)
    await store.commit()
    assert store.stats()["expired"] == SWEPT + 49
    assert store.stats()["bytes"] < before // 20
    assert [record.key for record in await store.scan("tokens")] == ["0", "stays"]


async def test_what_expired_makes_room_at_once_in_a_store_that_is_full() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock, limit=1_000)
    await store.commit(Put("tokens", "a", bytes(500), expires=NOW + 5))
    clock.now = NOW + 6
    with pytest.raises(StoreFull):
        await store.commit(Put("b", "new", bytes(500)))
    assert await store.commit(Put("b", "new", bytes(500))) == [1]

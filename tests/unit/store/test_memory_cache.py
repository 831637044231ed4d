"""A cache that forgets: in time, and when there is no more room."""

from __future__ import annotations

from appliance.store.memory_cache import OVERHEAD, MemoryCache


async def test_what_is_kept_is_there_for_its_time() -> None:
    now = [100.0]
    cache = MemoryCache(lambda: now[0])
    await cache.put("k", b"", 2.0)
    assert await cache.get("k") == b""
    now[0] += 2.0
    assert await cache.get("k") is None
    assert not len(cache)


async def test_the_first_goes_when_there_is_no_room_and_what_is_replaced_counts_once() -> None:
    cache = MemoryCache(lambda: 0.0, limit=3 * (OVERHEAD + 10))
    for key in ("a", "b", "b", "b", "c"):
        await cache.put(key, bytes(10), 1.0)
    assert len(cache) == 3
    await cache.put("d", bytes(10), 1.0)
    assert await cache.get("a") is None
    assert await cache.get("b") == bytes(10)
    await cache.put("huge", bytes(10_000), 1.0)
    assert not len(cache)

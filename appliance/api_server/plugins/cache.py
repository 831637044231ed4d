"""The cache of an API server whose store is elsewhere: that of a plugin while it is open, or one in memory."""

from __future__ import annotations

import asyncio

from appliance.api.caches import Cache
from appliance.api_server.plugins.parts import PluginParts
from appliance.foundation.clock import monotonic
from appliance.store.memory_cache import MemoryCache


class CacheSlot:
    """`cache` is None while there is none: then the store is asked."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.cache = cache

    async def use(self, _name: str, cache: Cache) -> None:
        """Have that one until this is cancelled."""
        self.cache = cache
        try:
            await asyncio.Event().wait()
        finally:
            self.cache = None


def fill(slot: CacheSlot, plugins: PluginParts) -> None:
    """Put the cache there that the profile names. Raises PluginFault."""
    if not plugins.run("cache", slot.use):
        slot.cache = MemoryCache(monotonic)

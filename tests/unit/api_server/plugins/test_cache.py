"""The cache of a plugin, while it is open; one in memory where the profile names none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from appliance.api.caches import CacheKind
from appliance.api.profile_management import Management
from appliance.api_server.plugins.cache import CacheSlot, fill
from appliance.api_server.plugins.kinds import Brought
from appliance.api_server.plugins.parts import PluginParts
from appliance.api_server.plugins.services import Joints
from appliance.store.memory_cache import MemoryCache


async def test_there_is_one_in_memory_unless_the_profile_names_another(tmp_path: Path) -> None:
    link: Any = None
    slot = CacheSlot()
    fill(slot, PluginParts({}, Management(), Joints("n", "f", link, tmp_path, {})))
    assert isinstance(slot.cache, MemoryCache)


async def test_that_of_a_plugin_is_there_while_it_is_open(tmp_path: Path) -> None:
    opened = asyncio.Event()
    cache = MemoryCache(lambda: 0.0)

    @asynccontextmanager
    async def box(_settings: None, _services: Any) -> AsyncIterator[MemoryCache]:
        yield cache
        opened.clear()

    link: Any = None
    kinds = {"cache": {"box": Brought("p", CacheKind("box", None, box))}}
    parts = PluginParts(kinds, Management.model_validate({"cache": {"box": {}}}), Joints("n", "f", link, tmp_path, {}))
    slot = CacheSlot()
    fill(slot, parts)
    assert slot.cache is None
    async with asyncio.timeout(60):
        while slot.cache is None:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0)
    assert slot.cache is cache
    await parts.close()
    assert slot.cache is None

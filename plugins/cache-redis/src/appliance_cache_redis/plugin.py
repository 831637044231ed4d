"""Registers the cache kind `redis`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from appliance.api.api_parts import ApiServices
from appliance.api.caches import Cache, CacheKind
from appliance.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from appliance_cache_redis.settings import RedisSettings

conformance: dict[str, dict[str, Any]] = {"redis": {"needs": "a Redis server"}}


def _settings() -> type[RedisSettings]:
    from appliance_cache_redis.settings import RedisSettings

    return RedisSettings


def _open(settings: RedisSettings, services: ApiServices) -> AbstractAsyncContextManager[Cache]:
    from appliance_cache_redis.cache import opened

    return opened(settings, services)


@hookimpl
def appliance_caches() -> tuple[CacheKind, ...]:
    """One kind."""
    return (CacheKind("redis", _settings, _open, ("redis.asyncio",)),)

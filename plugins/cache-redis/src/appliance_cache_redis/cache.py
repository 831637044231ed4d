"""The cache: commands of Redis with a deadline, so that a server that hangs is as none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from appliance.api.api_parts import ApiServices
from appliance_cache_redis.settings import RedisSettings

SECONDS: Final = 1.0
"""For one command; what is asked instead takes milliseconds."""
REST: Final = 1.0
"""Seconds in which a server that failed is not asked again, so that requests do not wait for it one after the other."""
MOST_CONNECTIONS: Final = 16


class RedisCache:
    """`api.caches.Cache`. Raises ConnectionError while the server does not answer."""

    def __init__(self, redis: Redis, prefix: str, services: ApiServices) -> None:
        self._redis = redis
        self._prefix = prefix
        self._services = services
        self._rests_until = 0.0

    async def get(self, key: str) -> bytes | None:
        """See the protocol."""
        found = await self._asked("GET", key)
        return found if isinstance(found, bytes) else None

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """See the protocol."""
        await self._asked("SET", key, value, "PX", max(1, round(seconds * 1000)))

    async def drop(self, key: str) -> None:
        """See the protocol."""
        await self._asked("UNLINK", key)

    async def _asked(self, command: str, key: str, *more: bytes | str | int) -> Any:
        if asyncio.get_running_loop().time() < self._rests_until:
            raise ConnectionError("Redis does not answer")
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._redis.execute_command(command, self._prefix + key, *more)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            self._rests_until = asyncio.get_running_loop().time() + REST
            self._services.report(f"Redis does not answer: {str(error) or 'it took too long'}")
            raise ConnectionError("Redis does not answer") from error
        self._services.report("")
        return answer


@asynccontextmanager
async def opened(settings: RedisSettings, services: ApiServices) -> AsyncIterator[RedisCache]:
    """The cache. A server that is not there is asked again later."""
    password = (await services.secret(settings.password)).decode() if settings.password else None
    kind, where = _way(settings)
    pool = BlockingConnectionPool(
        connection_class=kind,
        **where,
        db=settings.database,
        username=settings.user,
        password=password,
        socket_connect_timeout=SECONDS,
        max_connections=MOST_CONNECTIONS,
        timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
        client_name="appliance",
    )
    redis = Redis.from_pool(pool)
    try:
        yield RedisCache(redis, settings.prefix, services)
    finally:
        await redis.aclose()


def _way(settings: RedisSettings) -> tuple[type[AbstractConnection], dict[str, Any]]:
    if settings.socket is not None:
        return UnixDomainSocketConnection, {"path": str(settings.socket)}
    where: dict[str, Any] = {"host": settings.host, "port": settings.port}
    if not settings.speaks_tls:
        return Connection, where
    if settings.authorities is not None:
        where["ssl_ca_certs"] = str(settings.authorities)
    return SSLConnection, where

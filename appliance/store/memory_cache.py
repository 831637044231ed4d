"""A cache in memory (`api.caches.Cache`): what one process remembers, bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

LIMIT_BYTES: Final = 4 << 20
OVERHEAD: Final = 200
"""Bytes of an entry besides what is kept, about."""


class MemoryCache:
    """`clock` gives seconds and only goes forward; `limit` is in bytes. What was put in first goes first."""

    def __init__(self, clock: Callable[[], float], limit: int = LIMIT_BYTES) -> None:
        self._clock = clock
        self._limit = limit
        self._kept = OrderedDict[str, tuple[float, bytes]]()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: str) -> bytes | None:
        """See the protocol."""
        until, value = self._kept.get(key, (0.0, b""))
        if self._clock() < until:
            return value
        await self.drop(key)
        return None

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """See the protocol."""
        await self.drop(key)
        self._kept[key] = self._clock() + seconds, value
        self._bytes += OVERHEAD + len(value)
        while self._bytes > self._limit and self._kept:
            await self.drop(next(iter(self._kept)))

    async def drop(self, key: str) -> None:
        """See the protocol."""
        _, value = self._kept.pop(key, (0.0, None))
        if value is not None:
            self._bytes -= OVERHEAD + len(value)

"""A store whose records are remembered in a cache for a moment, so that one across the network is not asked at each request.

What this process changes it sees at once. What another one changes it may see SECONDS later, which is as long as a verdict of the
node holds. Who decides by an old record meets Conflict, and what is read after that is new.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeVar

from appliance.api.caches import Cache
from appliance.api.stores import Append, Change, Drop, Record, RewritableStore, Rewrite, Tail
from appliance.foundation.tasks import cancelled
from appliance.store.ring import SPACE

SECONDS: Final = 2.0
_VERSION: Final = struct.Struct("!Q")
MOST_UNDER_WAY: Final = 4096
"""Keys whose last change is remembered, so that an older value that is still under way to the cache is dropped again."""
PATIENCE: Final = 2.0
"""Seconds for one answer of the cache: what hangs is as none."""


Result = TypeVar("Result")


class Slot(Protocol):
    """Where the cache is, if there is one now."""

    cache: Cache | None


class CachedStore:
    """A `RewritableStore` around another one."""

    def __init__(self, inside: RewritableStore, slot: Slot) -> None:
        self._inside = inside
        self._slot = slot
        self.name = ""
        """Of the store, in the cache: another one may be remembered there, too."""
        self._changes: dict[str, int] = {}
        self._changed = 0
        self._generation = 0
        self._counted = Counter[str]({"cache_hits": 0, "cache_misses": 0, "cache_failures": 0})

    async def get(self, space: str, key: str) -> Record | None:
        """See the protocol."""
        if space == SPACE:  # whoever looks at the keys again wants to know which there are now
            return await self._inside.get(space, key)
        name, before = self._name(space, key), self._changed
        kept = await self._tried(lambda cache: cache.get(name))
        if isinstance(kept, bytes) and len(kept) >= _VERSION.size:
            self._counted["cache_hits"] += 1
            return Record(key, kept[_VERSION.size :], *_VERSION.unpack_from(kept))
        self._counted["cache_misses"] += 1
        record = await self._inside.get(space, key)
        if record is not None and self._changes.get(name, 0) <= before:
            value = _VERSION.pack(record.version) + record.value
            await self._tried(lambda cache: cache.put(name, value, SECONDS))
            if self._changes.get(name, 0) > before:  # it was changed while the old value was under way
                await self._dropped([name])
        return record

    async def anew(self, space: str, key: str) -> Record | None:
        """The same from the store itself, and nothing is remembered of before."""
        await self._dropped([self._name(space, key)])
        return await self._inside.get(space, key)

    async def scan(self, space: str, *, prefix: str = "", after: str = "", limit: int = 100) -> list[Record]:
        """See the protocol."""
        return await self._inside.scan(space, prefix=prefix, after=after, limit=limit)

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        """See the protocol."""
        names = [self._name(*change[:2]) for change in changes if not isinstance(change, Append | Drop)]
        try:
            return await self._inside.commit(*changes, durable=durable)
        finally:
            self._note(names)
            await self._dropped(names)

    async def tail(self, log: str, after: int = 0, limit: int = 100) -> Tail:
        """See the protocol."""
        return await self._inside.tail(log, after, limit)

    async def rewrite(self, rewrite: Rewrite, after: str, limit: int) -> str | None:
        """See the protocol."""
        try:
            return await self._inside.rewrite(rewrite, after, limit)
        finally:
            self._generation += 1

    def stats(self) -> Mapping[str, int]:
        """Those of the store, and "cache_hits", "cache_misses", "cache_failures"."""
        return {**self._inside.stats(), **self._counted}

    async def close(self) -> None:
        """See the protocol."""
        await self._inside.close()

    def _name(self, space: str, key: str) -> str:
        return f"{self.name}\0{self._generation or ''}\0{space}\0{key}"

    def _note(self, names: list[str]) -> None:
        self._changed += 1
        if len(self._changes) > MOST_UNDER_WAY:
            self._changes.clear()
            self._generation += 1
        self._changes |= dict.fromkeys(names, self._changed)

    async def _dropped(self, names: list[str]) -> None:
        for name in names:
            await self._tried(lambda cache, name=name: cache.drop(name))  # type: ignore[misc]

    async def _tried(self, asking: Callable[[Cache], Awaitable[Result]]) -> Result | None:
        cache = self._slot.cache
        if cache is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                return await asking(cache)
        except BaseException as error:  # whatever it is, it is the plugin's
            if not isinstance(error, Exception) and cancelled():
                raise
            self._counted["cache_failures"] += 1
            return None

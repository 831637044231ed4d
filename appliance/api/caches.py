"""What a cache is: values that may be gone at any moment, shared by the API servers that have it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from appliance.api.api_parts import ApiServices


class Cache(Protocol):
    """A cache. All may raise ApplianceError or OSError: whoever asks goes on as if there was nothing."""

    async def get(self, key: str) -> bytes | None:
        """The value of a key; None if it is gone."""

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep a value of up to 1 MiB for so long, or shorter."""

    async def drop(self, key: str) -> None:
        """Forget it."""


class CacheKind(NamedTuple):
    """A cache as registered by `appliance_caches()`; see `api.kinds`. `name` is the key below `management.cache` in a profile."""

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, ApiServices], AbstractAsyncContextManager[Cache]]
    imports: tuple[str, ...] = ()
    """As in `api.stores.StoreKind`."""

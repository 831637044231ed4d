"""What every cache does: keep for a while, forget, and take any bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from appliance.api.api_parts import ApiServices
from appliance.api.caches import Cache, CacheKind
from appliance.testing.api_parts import FakeApiServices
from appliance.testing.conformance.kinds import KindConformance

PATIENCE: Final = 20.0
"""Seconds until what has a moment to live is gone."""

Story = Callable[[Cache], Awaitable[None]]


class CacheConformance(KindConformance):
    """Subclass it, name the subclass Test…, and return your kind and settings of a cache that is there and empty."""

    noun = "cache"
    needs = ""
    """What has to be there for these tests, if that is not so; then they only look at the shape."""

    def kind(self) -> CacheKind:
        """The kind to try."""
        raise NotImplementedError

    def services(self) -> ApiServices:
        """What it is opened with."""
        return FakeApiServices()

    def told(self, story: Story) -> None:
        """Let something happen to an open cache."""
        if self.needs:
            pytest.skip(f"it needs {self.needs}")

        async def tell() -> None:
            async with self.opened(self.services()) as cache:
                await story(cache)

        asyncio.run(tell())

    def test_what_was_put_in_is_there_and_what_was_dropped_is_not(self) -> None:
        async def story(cache: Cache) -> None:
            assert await cache.get("a") is None
            await cache.put("a", b"one", 60)
            await cache.put("a", b"two", 60)
            await cache.put("b", b"", 60)
            assert (await cache.get("a"), await cache.get("b")) == (b"two", b"")
            await cache.drop("a")
            await cache.drop("never there")
            assert (await cache.get("a"), await cache.get("b")) == (None, b"")

        self.told(story)

    def test_any_key_and_any_bytes_come_back(self) -> None:
        async def story(cache: Cache) -> None:
            for number, key in enumerate(("space\0key", "ünïcödé", "k" * 1000, "with\nline")):
                value = bytes(range(256)) * (number * 1000)
                await cache.put(key, value, 60)
                assert await cache.get(key) == value

        self.told(story)

    def test_it_forgets_in_time(self) -> None:
        async def story(cache: Cache) -> None:
            await cache.put("a", b"one", 0.01)
            async with asyncio.timeout(PATIENCE):
                while await cache.get("a") is not None:  # noqa: ASYNC110  nobody tells when it is over
                    await asyncio.sleep(0.01)

        self.told(story)

    def test_many_may_ask_at_once(self) -> None:
        async def story(cache: Cache) -> None:
            async def one(number: int) -> None:
                await cache.put(f"k{number}", str(number).encode(), 60)
                assert await cache.get(f"k{number}") == str(number).encode()

            await asyncio.gather(*map(one, range(200)))

        self.told(story)

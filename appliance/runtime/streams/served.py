"""A service that an application of this host serves: streams that came in for it wait here until the application takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

from appliance.control.handing import Handed

MOST_WAITING: Final = 128
"""Streams that wait for one application, as many as the kernel would let wait; further callers are told that it is busy."""


class Served:
    """One service, from `serve` until its application is gone."""

    def __init__(self, name: str, uid: int) -> None:
        self.name = name
        self.uid = uid
        """The user whose application it is."""
        self.streams = 0
        """How many it was given."""
        self._waiting: deque[Handed] = deque()
        self._there = asyncio.Event()

    @property
    def full(self) -> bool:
        """Is there no room for one more?"""
        return len(self._waiting) >= MOST_WAITING

    def put(self, stream: Handed) -> None:
        """A stream for it, which is its own from now on."""
        self._waiting.append(stream)
        self._there.set()

    async def items(self) -> AsyncGenerator[Handed, None]:
        """The streams, one after the other, until the generator is closed; then those that wait are."""
        try:
            while True:
                await self._there.wait()
                self.streams += 1
                stream = self._waiting.popleft()
                if not self._waiting:
                    self._there.clear()
                yield stream
        finally:
            for waiting in self._waiting:
                waiting.close()

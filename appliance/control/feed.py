"""Tells many followers the same things, and waits for none of them: one that does not keep up loses the oldest items, and is told
how many."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, NamedTuple

MOST_WAITING = 256
"""Items that wait for one follower: a busy node's events of some seconds, in 100 kB."""


class Missed(NamedTuple):
    """So many items in this place were not taken in time. A stream of items may have these between them."""

    number: int


class Feed:
    """Items that are said once and heard by each follower in order."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._followers: set[_Follower] = set()

    def __len__(self) -> int:
        return len(self._followers)

    def say(self, item: Any) -> None:
        """Tell all who follow now. Returns at once."""
        for follower in self._followers:
            follower.put(item, self._most)

    async def follow(self, first: Callable[[], Any]) -> AsyncGenerator[Any, None]:
        """`first()`, and what is said from then on, with a `Missed` in the place of what was not taken in time. Ends when it is
        closed."""
        follower = _Follower()
        self._followers.add(follower)
        try:
            yield first()
            while True:
                yield await follower.take()
        finally:
            self._followers.discard(follower)


class _Follower:
    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._missed = 0
        self._there = asyncio.Event()

    def put(self, item: Any, most: int) -> None:
        if len(self._waiting) >= most:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(item)
        self._there.set()

    async def take(self) -> Any:
        await self._there.wait()
        if self._missed:
            missed, self._missed = Missed(self._missed), 0
            return missed
        item = self._waiting.popleft()
        if not self._waiting:
            self._there.clear()
        return item

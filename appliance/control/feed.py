"""Tells many followers the same things, and waits for none of them: one that does not keep up loses the oldest items, and is told
how many."""

from __future__ import annotations

import asyncio
import math
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
        self._followers: set[Waiting] = set()

    def __len__(self) -> int:
        return len(self._followers)

    def say(self, item: Any) -> None:
        """Tell all who follow now. Returns at once."""
        for follower in self._followers:
            follower.put(item)

    async def follow(self, first: Callable[[], Any]) -> AsyncGenerator[Any, None]:
        """`first()`, and what is said from then on, with a `Missed` in the place of what was not taken in time. Ends when it is
        closed."""
        follower = Waiting(self._most)
        self._followers.add(follower)
        try:
            yield first()
            while True:
                yield await follower.take()
        finally:
            self._followers.discard(follower)


class Waiting:
    """Items that wait for one follower, at most `most` of them and of that size together; the oldest are lost first."""

    def __init__(self, most: int, most_size: float = math.inf) -> None:
        self._most = most
        self._most_size = most_size
        self._items: deque[tuple[Any, int]] = deque()
        self._size = 0
        self._missed = 0
        self._there = asyncio.Event()

    def put(self, item: Any, size: int = 0) -> int:
        """One more, which has that size. Returns how many were lost for it."""
        lost = 0
        while self._items and (len(self._items) >= self._most or self._size + size > self._most_size):
            self._size -= self._items.popleft()[1]
            lost += 1
        self._missed += lost
        self._items.append((item, size))
        self._size += size
        self._there.set()
        return lost

    async def take(self) -> Any:
        """The next, or a `Missed`. Waits until there is one; cancelled, it takes none."""
        while not self._items:
            self._there.clear()
            await self._there.wait()
        if self._missed:
            missed, self._missed = Missed(self._missed), 0
            return missed
        item, size = self._items.popleft()
        self._size -= size
        return item

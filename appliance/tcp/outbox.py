"""What an application wrote and the peer has not acknowledged, by sequence number."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from appliance.api.values import Octets

SMALL: Final = 4096
"""Chunks below this are joined, so that an application of small writes makes few of them."""


class Outbox:
    """The bytes from `start` up to `end`."""

    __slots__ = ("_chunks", "end", "start")

    def __init__(self, start: int) -> None:
        self._chunks: deque[bytes] = deque()
        self.start = start
        """Of the first chunk: a part of that may be acknowledged."""
        self.end = start

    def append(self, data: bytes) -> None:
        """Put it behind."""
        self.end += len(data)
        if self._chunks and len(self._chunks[-1]) < SMALL:
            data = self._chunks.pop() + data
        self._chunks.append(data)

    def forget_below(self, number: int) -> int:
        """Let go of the chunks that are below as a whole. How many bytes they had."""
        before = self.start
        while self._chunks and self.start + len(self._chunks[0]) <= number:
            self.start += len(self._chunks.popleft())
        return self.start - before

    def part(self, start: int, until: int) -> list[Octets]:
        """The bytes from `start` up to `until`, in as many pieces as they are in."""
        if until <= start:
            return []
        at = self.end
        index = len(self._chunks)
        while at > start:  # from behind: what is sent was mostly written last
            index -= 1
            at -= len(self._chunks[index])
        found: list[Octets] = []
        while start < until:
            chunk = self._chunks[index]
            found.append(memoryview(chunk)[start - at : until - at])
            at += len(chunk)
            start = at
            index += 1
        return found

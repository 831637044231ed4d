"""What we answered to requests: a request that comes again gets the same answer, and its handler does not run twice.

Requests are repeated when they or their answers were lost. An entry is kept for as long as a request may be repeated, unless
there are too many: then the oldest goes first, and its handler would run again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

REMEMBER_SECONDS: Final = 60.0
"""At least the longest time limit of a request."""
MOST_ENTRIES: Final = 64
"""Of one peer in one family."""
MOST_OF_ALL: Final = 20_000
"""Of all peers in all families: a node with as many members as that remembers each one's last."""
MOST_BYTES: Final = 8 << 20
"""Of all peers' answers together: 512 of the longest."""

Key = tuple[str, str, int]
"""The peer's fingerprint, the family, and the number of the request."""


class Known(Enum):
    """What a request is."""

    NEW = auto()
    UNDER_WAY = auto()
    """Its handler has it already."""
    ANSWERED = auto()
    REUSED = auto()
    """Another request had this number: a mistake of the peer, or worse."""


@dataclass(slots=True)
class _Entry:
    digest: bytes
    since: float
    answer: bytes | None = None


class Replies:
    """The requests of all peers, and their answers."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._of_peer: dict[tuple[str, str], OrderedDict[int, None]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, key: Key, digest: bytes, now: float) -> tuple[Known, bytes | None]:
        """A request came; `digest` tells its text from another's. What it is, and its answer if there was one."""
        self._expire(now)
        entry = self._entries.get(key)
        if entry is None:
            self._add(key, _Entry(digest, now))
            return Known.NEW, None
        if entry.digest != digest:
            return Known.REUSED, None
        return (Known.UNDER_WAY, None) if entry.answer is None else (Known.ANSWERED, entry.answer)

    def finish(self, key: Key, answer: bytes) -> None:
        """The request was answered so."""
        entry = self._entries.get(key)
        if entry is None or entry.answer is not None:
            return
        entry.answer = answer
        self._bytes += len(answer)
        while self._bytes > MOST_BYTES:
            self.forget(next(iter(self._entries)))

    def forget(self, key: Key) -> None:
        """Let the request be a new one when it comes again."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._bytes -= len(entry.answer or b"")
        numbers = self._of_peer[key[:2]]
        del numbers[key[2]]
        if not numbers:
            del self._of_peer[key[:2]]

    def _add(self, key: Key, entry: _Entry) -> None:
        numbers = self._of_peer.get(key[:2])
        if numbers is not None and len(numbers) >= MOST_ENTRIES:
            self.forget((*key[:2], next(iter(numbers))))
        self._entries[key] = entry
        self._of_peer.setdefault(key[:2], OrderedDict())[key[2]] = None
        if len(self._entries) > MOST_OF_ALL:
            self.forget(next(iter(self._entries)))

    def _expire(self, now: float) -> None:
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if now - entry.since < REMEMBER_SECONDS:
                return
            self.forget(key)

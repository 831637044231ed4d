"""What a node waits for, and its deadlines in one heap: setting, moving and cancelling cost a push at most, and a turn costs only
what is due."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
BUDGET = 1000
"""Keys handed out in one turn beside four for each deadline there is; no right use comes near it."""


class Deadline(StrEnum):
    """What is due. Each is set for one thing, named behind it: `node.Node` has the table of who is woken."""

    HELLO = "hello"
    """Send the message of a handshake we began again, or give up. For its session index."""
    ANSWER = "answer"
    """Nobody has finished a handshake that we answered. For its session index."""
    ALIVE = "alive"
    """Ask for a sign of life, or end the session. For its index."""
    ROTATE = "rotate"
    """Replace the session by one with new keys. For its index."""
    LINGER = "linger"
    """Nothing can come any more for a session that was replaced. For its index."""
    COMPRESSION = "compression"
    """Say again that we take compressed packets. For a session index."""
    ASK = "ask"
    """Send a request to a peer again, or give up. For its number."""
    LINK = "link"
    """Nobody has begun a handshake over an accepted link. For its number."""
    PATH = "path"
    """Probe how long datagrams may be. For a link's number."""
    CONNECT = "connect"
    """Try to reach a peer again. For its name."""
    WANTED = "wanted"
    """Traffic has waited long enough for a peer that is not kept alive. For its name."""
    PROBATION = "probation"
    """A stranger's time is over. For its name."""
    DIAL = "dial"
    """A dial has taken too long. For the peer's name."""


class Timers(Generic[Key]):
    """One deadline a key. A moved or cancelled one leaves its heap entry behind, which is skipped when it surfaces."""

    def __init__(self) -> None:
        self._when: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._when)

    def set(self, key: Key, when: float) -> None:
        """Let `key` be due at `when` and at no other time."""
        if self._when.get(key) == when:
            return
        self._when[key] = when
        self._order += 1
        heappush(self._heap, (when, self._order, key))
        if len(self._heap) > 64 + 4 * len(self._when):
            self._heap = [(due, order, key) for due, order, key in self._heap if self._when.get(key) == due]
            heapify(self._heap)

    def sooner(self, key: Key, seconds: float) -> None:
        """Let `key` be due so much earlier than it would have been, if it is waited for."""
        if key in self._when:
            self.set(key, self._when[key] - seconds)

    def cancel(self, key: Key) -> None:
        """Let `key` be due never."""
        self._when.pop(key, None)

    def next(self) -> float | None:
        """When the first key is due."""
        self._skip_stale()
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Iterator[Key]:
        """Keys due by `now`, earliest first; each is cancelled as it is handed out. Setting timers meanwhile is fine.

        Ends with something still due when that sets ever more timers for now, so that a mistake there stops nobody else.
        """
        budget = BUDGET + 4 * len(self._when)
        while budget and (first := self.next()) is not None and first <= now:
            budget -= 1
            _, _, key = heappop(self._heap)
            del self._when[key]
            yield key

    def _skip_stale(self) -> None:
        heap, when = self._heap, self._when
        while heap and when.get(heap[0][2]) != heap[0][0]:
            heappop(heap)

"""Messages of one family that wait for their handler: bounded for each peer and in all, and each peer gets its turn.

put(peer) ─▶ a's queue ─┐
             b's queue ─┼─▶ take: one of a, one of b, one of c, one of a, …
             c's queue ─┘
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

MOST_BYTES: Final = 4 << 20
"""Bytes of one family that wait, of all peers together: 256 of the longest messages."""


class Inbox(Generic[Item]):
    """What waits, by peer. `most`: messages of one peer."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queues: OrderedDict[str, deque[tuple[Item, int]]] = OrderedDict()
        self._length = self._bytes = 0

    def __len__(self) -> int:
        return self._length

    def put(self, peer: str, item: Item, size: int) -> bool:
        """Let `item` of `size` bytes wait. False: there is no room, and it is lost."""
        queue = self._queues.get(peer)
        if (queue is not None and len(queue) >= self._most) or self._bytes + size > MOST_BYTES:
            return False
        if queue is None:
            queue = self._queues[peer] = deque()
        queue.append((item, size))
        self._length += 1
        self._bytes += size
        return True

    def take(self, but: Container[str] = ()) -> Item | None:
        """The next one, of the peer whose turn it is, `but` these. None: nothing waits."""
        peer = next((peer for peer in self._queues if peer not in but), None)
        if peer is None:
            return None
        queue = self._queues[peer]
        item, size = queue.popleft()
        self._length -= 1
        self._bytes -= size
        if queue:
            self._queues.move_to_end(peer)
        else:
            del self._queues[peer]
        return item

    def forget(self, peer: str) -> list[Item]:
        """Drop what waits of `peer`. Returns what that was."""
        queue = self._queues.pop(peer, None) or ()
        self._length -= len(queue)
        self._bytes -= sum(size for _, size in queue)
        return [item for item, _ in queue]

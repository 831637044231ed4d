"""The receiving half of a connection: what came, in order for the application, the rest in pieces, and what more may come.

Sequence numbers here are of any length.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, Final

from appliance.tcp.counted import Count, Counts, Memory
from appliance.tcp.segment import MOST_BLOCKS

if TYPE_CHECKING:
    from appliance.api.values import Octets

WINDOW_BYTES: Final = 1 << 20
"""What a peer may have under way to us. Chosen: 80 Mbit/s over 100 ms."""
TIGHT_BYTES: Final = 64 * 1024
"""The same where memory is tight."""
LITTLE: Final = 2048
"""What a connection that holds nothing may always take, so that each goes on where memory is used up."""
MOST_PIECES: Final = 256
"""Pieces beyond gaps."""
PIECE_BYTES: Final = 96
"""What a piece costs beside its bytes."""
SMALL: Final = 4096
"""Chunks below this are joined, so that a peer of small segments makes few of them."""
SCALE: Final = 7
"""How far our windows are shifted: units of 128 bytes."""


class Receiver:
    """Begins after the handshake; `start` is the first number of the peer's stream."""

    __slots__ = ("_chunks", "_counts", "_held", "_memory", "_newest", "_pieces", "_starts", "edge", "finish_at", "next", "scale")

    def __init__(self, start: int, scale: int, memory: Memory, counts: Counts) -> None:
        self.next = start
        """The next number that is expected (RCV.NXT)."""
        self.edge = start
        """The peer may send up to here. It never moves back (RFC 9293, 3.8.6.2.2)."""
        self.scale = scale
        self.finish_at: int | None = None
        """Where the peer's stream ends, once it said so."""
        self._chunks: deque[Octets] = deque()
        self._held = 0
        """Bytes in `_chunks` and `_pieces`."""
        self._starts: list[int] = []
        self._pieces: list[bytes] = []
        self._newest = 0
        """The start of the piece that came last: its block stands first (RFC 2018, 4)."""
        self._memory = memory
        self._counts = counts
        self.window()

    # ---- what comes ----

    def accept(self, start: int, payload: Octets, *, fin: bool) -> None:
        """Take what is new and fits of a segment's payload, whose first byte has the number `start`."""
        until = start + len(payload)
        if fin and self.finish_at is None and self.next <= until <= self.edge:
            self.finish_at = until
        if self.finish_at is not None:
            until = min(until, self.finish_at)
        until = min(until, self.edge)
        skipped = max(0, self.next - start)
        if skipped < until - start:
            self._take(start + skipped, bytes(memoryview(payload)[skipped : until - start]))

    def _take(self, start: int, data: bytes) -> None:
        if self._memory.used + len(data) > self._memory.limit:
            self._counts[Count.NO_MEMORY] += 1
            if self._held or start > self.next:
                return
            data = data[:LITTLE]
        if start > self.next:
            self._keep(start, data)
            return
        if self._starts:
            data = self._joined(start, data)
        self._held += len(data)
        self._memory.used += len(data)
        self.next += len(data)
        if self._chunks and len(self._chunks[-1]) < SMALL:
            data = b"".join((self._chunks.pop(), data))
        self._chunks.append(data)

    def _joined(self, start: int, data: bytes) -> bytes:
        """`data` with the pieces behind it that it reaches."""
        parts, until = [data], start + len(data)
        while self._starts and self._starts[0] <= until:
            first, piece = self._starts[0], self._pieces[0]
            self._drop_piece(0)
            parts.append(piece[until - first :])
            until = max(until, first + len(piece))
        return b"".join(parts)

    def _keep(self, start: int, data: bytes) -> None:
        """Put a piece beyond a gap beside the others, without what overlaps."""
        at = bisect_right(self._starts, start)
        if at and self._starts[at - 1] + len(self._pieces[at - 1]) > start:
            have = self._starts[at - 1] + len(self._pieces[at - 1])
            if have >= start + len(data):
                return
            start, data = have, data[have - start :]
        while at < len(self._starts) and self._starts[at] < start + len(data):
            if self._starts[at] + len(self._pieces[at]) > start + len(data):
                data = data[: self._starts[at] - start]
                break
            self._drop_piece(at)
        if len(self._starts) >= MOST_PIECES:
            self._counts[Count.TOO_MANY_PIECES] += 1
            return
        self._starts.insert(at, start)
        self._pieces.insert(at, data)
        self._held += len(data)
        self._memory.used += len(data) + PIECE_BYTES
        self._newest = start

    def _drop_piece(self, at: int) -> None:
        del self._starts[at]
        self._let_go(len(self._pieces.pop(at)))
        self._memory.used -= PIECE_BYTES

    def _let_go(self, octets: int) -> None:
        self._held -= octets
        self._memory.used -= octets

    # ---- what the peer is told ----

    def window(self) -> int:
        """What the header's window says now: what fits, but never less than was said before."""
        most = TIGHT_BYTES if self._memory.tight else WINDOW_BYTES
        free = min(most - self._held, 0xFFFF << self.scale) >> self.scale << self.scale
        self.edge = max(self.edge, self.next + free)
        return min(self.edge - self.next >> self.scale, 0xFFFF)

    def may_widen(self, mss: int) -> bool:
        """Has so much been read that the peer should hear of it (RFC 9293, 3.8.6.2.2)?"""
        most = TIGHT_BYTES if self._memory.tight else WINDOW_BYTES
        return self.next + most - self._held - self.edge >= min(most // 4, max(2 * mss, most // 16))

    def blocks(self) -> list[tuple[int, int]]:
        """What came beyond gaps: the block with the newest first, then others, at most MOST_BLOCKS."""
        joined: list[tuple[int, int]] = []
        for start, piece in zip(self._starts, self._pieces, strict=True):
            if joined and joined[-1][1] == start:
                joined[-1] = joined[-1][0], start + len(piece)
            else:
                joined.append((start, start + len(piece)))
        joined.sort(key=lambda block: not block[0] <= self._newest < block[1])
        return joined[:MOST_BLOCKS]

    # ---- the application's side ----

    @property
    def first(self) -> Octets | None:
        """The first chunk that the application has not read; None if there is none."""
        return self._chunks[0] if self._chunks else None

    def consumed(self, count: int) -> None:
        """The application has read so many bytes of the first chunk."""
        chunk = self._chunks[0]
        if count == len(chunk):
            self._chunks.popleft()
        else:
            self._chunks[0] = memoryview(chunk)[count:]
        self._let_go(count)

    @property
    def finished(self) -> bool:
        """Did all come, up to the end of the peer's stream?"""
        return self.next == self.finish_at

    def drop(self) -> None:
        """Nobody reads it any more."""
        while self._pieces:
            self._drop_piece(-1)
        self._let_go(self._held)
        self._chunks.clear()

"""What waits for one peer: a bounded queue for each class, aged by CoDel, and the bucket of the peer's rate. Pure and hot.

Times are seconds of whatever clock the caller has. An entry is a virtio header and an IP packet, of up to 64 KiB.

CoDel (RFC 8289) looks at how long packets waited, not at how many wait: when even the one that waited least in 100 ms waited
longer than 5 ms, it drops one, and then more and more often until the senders slow down. A packet whose sender understands ECN
(RFC 3168) is marked instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import sqrt
from typing import Final

from appliance.dataplane.classes import CLASSES, INTERACTIVE
from appliance.wire.entries import MAX_PACKET, VNET_BYTES

TARGET: Final = 0.005
"""Seconds that packets may wait, however long that lasts (RFC 8289, 4.4)."""
INTERVAL: Final = 0.1
"""Seconds: a long round trip, within which a sender must have had the chance to slow down (RFC 8289, 4.3)."""
LARGEST: Final = VNET_BYTES + MAX_PACKET
"""Bytes of the largest entry. A queue that holds no more than this is not aged (RFC 8289, 5.1: MAXPACKET)."""
BURST: Final = 0.01
"""Seconds of a peer's rate that may go at once: as much as passes unused when the worker wakes up late."""
LEAST_BURST: Final = 16384
"""The least bytes that may go at once."""
PIECE: Final = 0.002
"""Seconds of a peer's rate that one packet may take. A larger packet is cut, so that others need not wait long for it."""

Entry = bytes | memoryview
Lose = Callable[["Queue", str, int], None]
"""`lose(queue, reason, packets)` is called when packets of a queue were dropped; with the reason "marked" they were marked
instead."""


class Queue:
    """What waits in one class for one peer."""

    __slots__ = (
        "_above_since",
        "_count",
        "_dropping",
        "_last_count",
        "_next_drop",
        "active",
        "bytes",
        "deficit",
        "entries",
        "kind",
        "lane",
        "since",
    )

    def __init__(self, lane: Lane, kind: int) -> None:
        self.lane = lane
        self.kind = kind
        self.entries: deque[tuple[float, Entry]] = deque()
        """When each entry came, and the entry."""
        self.bytes = 0
        """Bytes that wait."""
        self.deficit = 0
        """Bytes that it may still send in this round."""
        self.active = False
        """The scheduler knows that something waits."""
        self.since = 0.0
        """When the entry that was taken last had come."""
        self._above_since = 0.0
        self._dropping = False
        self._next_drop = 0.0
        self._count = 0
        self._last_count = 0

    def put(self, entry: Entry, now: float) -> None:
        """Add an entry at the end."""
        self.entries.append((now, entry))
        self.bytes += len(entry)

    def put_back(self, entry: Entry) -> None:
        """Put the entry that was taken last in front again: it could not be sent."""
        self.entries.appendleft((self.since, entry))
        self.bytes += len(entry)

    def drop_first(self) -> None:
        """Forget the oldest entry."""
        self._pop()

    def take(self, now: float, lose: Lose) -> Entry | None:
        """The next entry to send; None if nothing is left. Entries that waited too long are dropped meanwhile, or marked."""
        if self.kind == INTERACTIVE:
            return self._pop() if self.entries else None
        entry, too_old = self._look(now)
        if entry is None:
            self._dropping = False
            return None
        if self._dropping:
            if not too_old:
                self._dropping = False
            while entry is not None and self._dropping and now >= self._next_drop:
                self._count += 1
                marked = congestion_experienced(entry)
                if marked is not None:
                    lose(self, "marked", 1)
                    self._next_drop += INTERVAL / sqrt(self._count)
                    return marked
                lose(self, "aged", 1)
                entry, too_old = self._look(now)
                if entry is None or not too_old:
                    self._dropping = False
                else:
                    self._next_drop += INTERVAL / sqrt(self._count)
        elif too_old:
            marked = congestion_experienced(entry)
            lose(self, "aged" if marked is None else "marked", 1)
            entry = self._look(now)[0] if marked is None else marked
            self._dropping = entry is not None
            since_last = self._count - self._last_count
            recently = now - self._next_drop < 16 * INTERVAL
            self._count = since_last if since_last > 1 and recently else 1
            self._last_count = self._count
            self._next_drop = now + INTERVAL / sqrt(self._count)
        return entry

    def _look(self, now: float) -> tuple[Entry | None, bool]:
        """Take the first entry. True: entries have waited too long, for too long."""
        if not self.entries:
            self._above_since = 0.0
            return None, False
        entry = self._pop()
        if now - self.since < self.lane.target or self.bytes <= LARGEST:
            self._above_since = 0.0
            return entry, False
        if not self._above_since:
            self._above_since = now
            return entry, False
        return entry, now - self._above_since >= INTERVAL

    def _pop(self) -> Entry:
        self.since, entry = self.entries.popleft()
        self.bytes -= len(entry)
        return entry


class Lane:
    """The queues of one peer, one for each class.

    The rate is kept by a bucket. A packet may go while anything is in the bucket, even more than there is; that is then owed. For
    interactive packets the bucket may owe more, so that they need not wait until a large packet is paid for; the other classes
    pay.
    """

    __slots__ = ("_filled", "_tokens", "owner", "piece", "queues", "rate", "target")

    def __init__(self, owner: object, rate: int = 0, now: float = 0.0) -> None:
        self.owner = owner
        """The peer, as whoever made the lane knows it."""
        self.queues = tuple(Queue(self, kind) for kind in range(len(CLASSES)))
        self.rate = 0
        """Bytes a second. 0: as fast as can be."""
        self.target = TARGET
        """Seconds that its packets may wait, however long that lasts."""
        self.piece = LARGEST
        """Bytes of the largest packet that is not cut."""
        self._tokens = 0.0
        self._filled = now
        self.limit(rate, now)

    def limit(self, rate: int, now: float) -> None:
        """Send at most so many bytes a second from now on; 0: as fast as can be."""
        if rate != self.rate:
            self.rate = rate
            self._tokens, self._filled = float(self.burst), now
            self.target = max(TARGET, 1.5 * 1500 / rate) if rate else TARGET
            self.piece = min(LARGEST, int(rate * PIECE)) if rate else LARGEST

    @property
    def burst(self) -> int:
        """Bytes that may go at once."""
        return max(LEAST_BURST, int(self.rate * BURST))

    def wait(self, kind: int, now: float) -> float:
        """Seconds until a packet of that class may go. 0 or less: it may go now."""
        tokens = self._tokens + (now - self._filled) * self.rate
        burst = self.burst
        self._tokens, self._filled = min(tokens, float(burst)), now
        if kind == INTERACTIVE:
            tokens += LARGEST + burst
        return (1 - tokens) / self.rate

    def pay(self, size: int) -> None:
        """So many bytes were sent. A negative number: they were not sent after all."""
        self._tokens -= size


def congestion_experienced(entry: Entry) -> bytes | None:
    """The entry with CE in its IP header (RFC 3168; checksum by RFC 1624). None if its sender does not understand ECN."""
    if entry[VNET_BYTES] < 0x60:
        tos = entry[VNET_BYTES + 1]
        if not tos & 3:
            return None
        marked = bytearray(entry)
        marked[VNET_BYTES + 1] = tos | 3
        checksum = ~(entry[VNET_BYTES + 10] << 8 | entry[VNET_BYTES + 11]) & 0xFFFF
        checksum += (tos | 3) - tos
        checksum = ~(checksum + (checksum >> 16)) & 0xFFFF
        marked[VNET_BYTES + 10 : VNET_BYTES + 12] = checksum.to_bytes(2, "big")
        return bytes(marked)
    if not entry[VNET_BYTES + 1] & 0x30:
        return None
    marked = bytearray(entry)
    marked[VNET_BYTES + 1] |= 0x30
    return bytes(marked)

"""In what order packets go: strict priority for the interactive class, deficit round robin among the others. Pure and hot.

    interactive   first, round robin among peers; while others wait it may use half of what is sent, so that it cannot starve them
    normal, bulk  deficit round robin by weight between the classes, then by bytes among the peers within a class
                  (M. Shreedhar, G. Varghese: Efficient Fair Queuing Using Deficit Round Robin, 1995)

A queue whose peer has used up its rate is parked until it may go on; a queue whose link is full, until that is clear. Whatever is
lost is told to `lose`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Final, NamedTuple

from appliance.dataplane.classes import BULK, CLASSES, INTERACTIVE, NORMAL
from appliance.dataplane.queueing import Entry, Lose, Queue

QUANTUM: Final = 65536
"""Bytes that a peer sends in a row, and a class for each unit of its weight: a super-packet, so that each visit sends one."""
SLACK: Final = 524288
"""Bytes that the interactive class may be ahead of the others: a burst is served at once, a flood is not."""

SOONEST: Final = 0.0001
"""Seconds for which a queue is parked at least: less would cost more in waking up."""


class Limits(NamedTuple):
    """Bounds of what waits."""

    queue_bytes: int = 4 << 20
    """The most bytes in one queue."""
    queue_packets: int = 4096
    """The most packets in one queue."""
    total_bytes: int = 32 << 20
    """The most bytes in all queues together."""
    weights: tuple[int, int] = (4, 1)
    """Of normal and of bulk."""


class Scheduler:
    """All queues."""

    def __init__(self, limits: Limits, lose: Lose) -> None:
        self._limits = limits
        self._lose = lose
        self._rings: tuple[deque[Queue], ...] = tuple(deque() for _ in CLASSES)
        self._quanta = (QUANTUM, QUANTUM * limits.weights[0], QUANTUM * limits.weights[1])
        self._deficits = [0] * len(CLASSES)
        self._turn = NORMAL
        self._ahead = 0
        self._due: list[tuple[float, int, Queue]] = []
        self._parked: list[Queue] = []
        self._numbers = count()
        self.queued = [0] * len(CLASSES)
        """Bytes that wait, by class."""

    def enqueue(self, queue: Queue, entry: Entry, now: float) -> None:
        """Take an entry, or lose it if there is no room."""
        size = len(entry)
        if queue.bytes + size > self._limits.queue_bytes or len(queue.entries) >= self._limits.queue_packets:
            self._lose(queue, "queue_full", 1)
            return
        queue.put(entry, now)
        self.queued[queue.kind] += size
        if not queue.active:
            queue.active = True
            self._rings[queue.kind].append(queue)
        if sum(self.queued) > self._limits.total_bytes:
            self._shed()

    def dequeue(self, now: float) -> tuple[Queue, Entry] | None:
        """The next entry to send, and its queue. None if nothing may go now."""
        if self._due and self._due[0][0] <= now:
            self._go_on(now)
        interactive, normal, bulk = self._rings
        if interactive and (self._ahead < SLACK or not (normal or bulk)):
            taken = self._from(INTERACTIVE, now)
            if taken is not None:
                self._ahead = self._ahead + len(taken[1]) if normal or bulk else 0
                return taken
        taken = self._from_others(now)
        if taken is not None:
            self._ahead = max(0, self._ahead - len(taken[1]))
            return taken
        self._ahead = 0
        return self._from(INTERACTIVE, now) if interactive else None

    def wait(self, now: float) -> float | None:
        """Seconds until something may go. None: not before something changes."""
        if any(self._rings):
            return 0.0
        return max(0.0, self._due[0][0] - now) if self._due else None

    def put_back(self, queue: Queue, entry: Entry) -> None:
        """The entry that was taken last cannot go, because its link is full. It is the first of its queue again, and the queue
        waits for `resume`."""
        size = len(entry)
        queue.put_back(entry)
        queue.deficit += size
        queue.lane.pay(-size)
        self.queued[queue.kind] += size
        ring = self._rings[queue.kind]
        if queue.active:
            ring.remove(queue)
        queue.active = True
        self._parked.append(queue)

    @property
    def parked(self) -> list[Queue]:
        """Queues that wait for `resume`."""
        return self._parked

    def resume(self) -> None:
        """Let the queues that were put back go on."""
        for queue in self._parked:
            self._rings[queue.kind].append(queue)
        self._parked = []

    def drain(self) -> Iterator[tuple[Queue, Entry]]:
        """Everything that waits, each queue in order. The scheduler is empty then."""
        queues = [*(queue for ring in self._rings for queue in ring), *(queue for _, _, queue in self._due), *self._parked]
        for queue in queues:
            entries = list(queue.entries)
            queue.entries.clear()
            queue.bytes, queue.active = 0, False
            yield from ((queue, entry) for _, entry in entries)
        for ring in self._rings:
            ring.clear()
        self._due, self._parked, self.queued = [], [], [0] * len(CLASSES)

    def _from_others(self, now: float) -> tuple[Queue, Entry] | None:
        """The next entry of normal or bulk, whichever has its turn."""
        rings, deficits = self._rings, self._deficits
        while rings[NORMAL] or rings[BULK]:
            kind = self._turn
            if not rings[kind] or deficits[kind] <= 0:
                if rings[kind]:
                    deficits[kind] += self._quanta[kind]
                else:
                    deficits[kind] = min(deficits[kind], 0)
                self._turn = BULK if kind == NORMAL else NORMAL
                continue
            taken = self._from(kind, now)
            if taken is not None:
                deficits[kind] -= len(taken[1])
                return taken
        return None

    def _from(self, kind: int, now: float) -> tuple[Queue, Entry] | None:
        """The next entry of a class, of the peer that has its turn."""
        ring = self._rings[kind]
        while ring:
            queue = ring[0]
            lane = queue.lane
            if lane.rate and (wait := lane.wait(kind, now)) > 0:
                ring.popleft()
                heapq.heappush(self._due, (now + max(wait, SOONEST), next(self._numbers), queue))
                continue
            if queue.deficit <= 0:
                queue.deficit += QUANTUM
                ring.rotate(-1)
                continue
            before = queue.bytes
            entry = queue.take(now, self._lose)
            self.queued[kind] -= before - queue.bytes
            if not queue.entries:
                ring.popleft()
                queue.active = False
                queue.deficit = min(queue.deficit, 0)
            if entry is None:
                continue
            size = len(entry)
            queue.deficit -= size
            if lane.rate:
                lane.pay(size)
            return queue, entry
        return None

    def _go_on(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            queue = heapq.heappop(self._due)[2]
            self._rings[queue.kind].append(queue)

    def _shed(self) -> None:
        """There is too much in all queues together: the longest one loses its older half, so that this seldom happens."""
        waiting = [*(queue for ring in self._rings for queue in ring), *(queue for _, _, queue in self._due), *self._parked]
        longest = max(waiting, key=lambda queue: queue.bytes)
        before, packets = longest.bytes, 0
        while longest.bytes > before // 2 and len(longest.entries) > 1:
            longest.drop_first()
            packets += 1
        self.queued[longest.kind] -= before - longest.bytes
        self._lose(longest, "queue_full", packets)

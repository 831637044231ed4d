"""Looks at the sessions' counters once a second, and tells the node which peers were heard and which only spoken to, and how long
the host was asleep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from appliance.foundation import clock
from appliance.foundation.logging import get_logger

if TYPE_CHECKING:
    from appliance.protocol.node import Node
    from appliance.runtime.workers.pool import WorkerPool

log = get_logger("node")

POLL_SECONDS: Final = 1.0
"""Between two looks at the sessions' counters."""
LEAST_SLEEP: Final = 1.0
"""Seconds asleep that matter to anybody."""


class Activity:
    """What moved on the sessions of `node` since the last look. `settle()` is called after each."""

    def __init__(self, node: Node, pool: Callable[[], WorkerPool | None], settle: Callable[[], None]) -> None:
        self._node = node
        self._pool = pool
        self._settle = settle
        self._asleep = 0.0
        """How long the host has been asleep since it booted, when we last looked."""
        self._poll: asyncio.TimerHandle | None = None
        self._seen: dict[int, tuple[int, int, int, int]] = {}
        """Records received and sent on each session, and inner packets received and sent, when we last looked."""

    def start(self) -> None:
        """Look from now on."""
        self._asleep = _asleep()
        self._wait()

    def _wait(self) -> None:
        self._poll = asyncio.get_running_loop().call_later(POLL_SECONDS, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._poll is not None:
            self._poll.cancel()

    def forget(self, session: int) -> None:
        """The session is over."""
        self._seen.pop(session, None)

    def _look(self) -> None:
        """One pass over the shared counters."""
        pool = self._pool()
        now = clock.monotonic()
        before, self._asleep = self._asleep, _asleep()
        slept = self._asleep - before
        if slept >= LEAST_SLEEP:
            log.info("the host was asleep", seconds=round(slept, 1))
            self._node.handle_slept(slept, now)
        if pool is not None:
            for index in list(self._node.sessions):
                self._look_at(index, pool, now)
        self._settle()
        self._wait()

    def _look_at(self, index: int, pool: WorkerPool, now: float) -> None:
        before = self._seen.get(index, (0, 0, 0, 0))
        records = pool.records(index)
        if records == before[:2]:
            return
        packets = pool.packets(index)
        self._seen[index] = (*records, *packets)
        if records[0] > before[0]:
            self._node.handle_activity(index, records[0], now)
        elif records[1] > before[1]:
            self._node.handle_unanswered(index, now)
        if packets[1] > before[3] and packets[0] == before[2]:
            self._node.handle_one_way(index, now)


def _asleep() -> float:
    """Seconds that the host was asleep since it booted: one clock counts them, the other does not. Whoever is interrupted between
    the two finds less, so the larger of two answers is right."""
    return max(clock.since_boot() - clock.monotonic() for _ in range(2))

"""Spans on their way to a collector: a queue with a bound, and a thread that empties it. Nothing ever waits for either."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from threading import Condition, Thread
from typing import Any, Final, Protocol

from appliance.foundation.logging import get_logger
from appliance.management.tracing.span import Span

log = get_logger("tracing")

MOST_WAITING: Final = 4096
"""Spans, about 4 MB: what a busy API server makes in some seconds."""
BATCH: Final = 512
"""Spans of one message, as OpenTelemetry's own batches have."""
EVERY: Final = 1.0
"""Seconds that the first span of a batch waits for others."""
LAST_SECONDS: Final = 1.0
"""How long the last batch may take when the API server ends."""


class Collector(Protocol):
    """Takes spans somewhere. Both may wait, and are called in one thread."""

    def send(self, spans: Sequence[Span]) -> str:
        """Returns "" if they were taken, else why not."""

    def hurry(self) -> None:
        """Wait for nothing any more. Called from another thread."""


class Sending:
    """Sends what is `put`."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._waiting: deque[Span] = deque()
        self._there = Condition()
        self._ending = False
        self._sent = 0
        self._dropped: Counter[str] = Counter()
        self._problem = ""
        self._thread = Thread(target=self._work, name="collector", daemon=True)  # one that hangs does not keep the process
        self._thread.start()

    def put(self, span: Span) -> None:
        """Have it sent, if there is room."""
        with self._there:
            if len(self._waiting) >= MOST_WAITING:
                self._dropped["full"] += 1
                return
            self._waiting.append(span)
            if len(self._waiting) in {1, BATCH}:
                self._there.notify()

    def shown(self) -> dict[str, Any]:
        """JSON-able: spans that were `sent` and `dropped` (by reason), that are `waiting`, and what the `problem` is."""
        with self._there:
            return {
                "sent": self._sent,
                "dropped": dict(sorted(self._dropped.items())),
                "waiting": len(self._waiting),
                "problem": self._problem,
            }

    async def close(self) -> None:
        """Send what waits, if that goes fast."""
        with self._there:
            self._ending = True
            self._there.notify()
        await asyncio.to_thread(self._thread.join, LAST_SECONDS)
        self._collector.hurry()

    def _work(self) -> None:
        while batch := self._next():
            why = self._collector.send(batch)
            with self._there:
                if why:
                    self._dropped["not-taken"] += len(batch)
                else:
                    self._sent += len(batch)
                news, self._problem = why != self._problem, why
            if news:
                log.warning("the collector of traces takes nothing", reason=why) if why else log.info(
                    "the collector takes traces"
                )

    def _next(self) -> list[Span]:
        """The next batch; empty at the end."""
        with self._there:
            while not self._waiting and not self._ending:
                self._there.wait()
            if len(self._waiting) < BATCH and not self._ending:
                self._there.wait(EVERY)
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

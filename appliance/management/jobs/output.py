"""The stream of one execution: numbered, cut, and kept in chunks of which the oldest go."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from appliance.management.jobs.events import Event
from appliance.management.jobs.execution import Limits

MOST_LINE: Final = 4 * 1024
"""Characters of an output line; what is behind them is cut off."""
MOST_CHUNK: Final = 16 * 1024
"""Bytes of a chunk, about."""
_DIGITS: Final = 16


class Chunk(NamedTuple):
    """Events that are written together."""

    last: int
    """The id of the last one: a reader with a smaller cursor wants this chunk."""
    events: Sequence[Event]

    @property
    def size(self) -> int:
        """About how many bytes it costs."""
        return sum(event.size for event in self.events)

    def value(self) -> bytes:
        """As it is stored."""
        return json.dumps([list(event) for event in self.events]).encode()


class Written(NamedTuple):
    """A chunk that is to be written, and those that are to go."""

    chunk: Chunk
    forget: Sequence[int]
    """The `last` of each."""


class Output:
    """Numbers what one execution says, and says which chunks stay."""

    def __init__(self, limits: Limits, last: int = 0) -> None:
        """`last`: the largest id that was given before."""
        self._limits = limits
        self._last = last
        self._pending: list[Event] = []
        self._kept: deque[tuple[int, int, int]] = deque()
        self._events = 0
        self._bytes = 0

    @property
    def pending(self) -> int:
        """Events that are not written yet."""
        return len(self._pending)

    def add(self, kind: str, time: str, data: Mapping[str, Any]) -> None:
        """The next event."""
        self._last += 1
        text = json.dumps({"event": kind, "time": time, **data}, default=str)
        self._pending.append(Event(self._last, kind, text))

    def take(self) -> Written | None:
        """What is to be written next; None if nothing is."""
        if not self._pending:
            return None
        count = size = 0
        while count < len(self._pending) and (not count or size + self._pending[count].size <= MOST_CHUNK):
            size += self._pending[count].size
            count += 1
        chunk = Chunk(self._pending[count - 1].id, tuple(self._pending[:count]))
        del self._pending[:count]
        self._kept.append((chunk.last, count, size))
        self._events += count
        self._bytes += size
        return Written(chunk, self._too_many())

    def _too_many(self) -> list[int]:
        gone = []
        while len(self._kept) > 1 and (self._events > self._limits.output_events or self._bytes > self._limits.output_bytes):
            last, count, size = self._kept.popleft()
            self._events -= count
            self._bytes -= size
            gone.append(last)
        return gone


def line(text: str) -> str:
    """A line of output, cut."""
    return text if len(text) <= MOST_LINE else f"{text[:MOST_LINE]}… ({len(text) - MOST_LINE} more)"


def chunk_key(execution: str, last: int) -> str:
    """Where a chunk is stored: keys are in the order of ids."""
    return f"{execution}/{last:0{_DIGITS}d}"


def events_in(value: bytes) -> list[Event]:
    """The events of a stored chunk."""
    return [Event(number, kind, text) for number, kind, text in json.loads(value)]

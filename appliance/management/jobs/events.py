"""The rules of a stream of events: ids that only grow, a cursor for each reader, and no queue for anybody.

A reader is a cursor: the id of the last event it had. What it has not had comes from the ring of the newest events, which all
readers share, or from the log behind the ring. So a reader that never reads costs nothing but its cursor, one that was cut off
goes on behind the last id it saw, and one that comes too late for the log is told so (`Stale`) instead of meeting a gap.

    published ─▶ log, kept bounded (the store) ─▶ ring, the newest of it (memory) ─▶ readers
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

HEARTBEAT: Final = 15.0
"""Seconds without an event after which a reader is told its cursor, so that proxies keep the connection (most cut at 60 s)."""
MOST_AT_A_TIME: Final = 100
"""Events that a reader is handed at a time."""
MOST_BYTES_AT_A_TIME: Final = 32 * 1024
"""The same in bytes, or one event: a reader that has stopped reading holds so much."""
RING_EVENTS: Final = 1_000
RING_BYTES: Final = 512 * 1024
"""What the ring holds at most: minutes of a busy node. Who is further behind reads the log."""


class Event(NamedTuple):
    """One event of a stream."""

    id: int
    """From 1 on, larger than those of all earlier events of its stream. There may be gaps."""
    kind: str
    """What it is, as "topic.word" or "word"."""
    text: str
    """All of it, as a JSON object on one line; `event` in it is the kind."""

    @property
    def size(self) -> int:
        """About how many bytes it costs."""
        return len(self.kind) + len(self.text) + 200

    @property
    def topic(self) -> str:
        """What it is about: "node" of "node.health"."""
        return self.kind.partition(".")[0]


class Ring:
    """The newest events of a stream, without a gap between them."""

    def __init__(self, newest: int = 0, most_events: int = RING_EVENTS, most_bytes: int = RING_BYTES) -> None:
        """`newest`: the id of the last event that was published before."""
        self._events: list[Event] = []
        self._ids: list[int] = []
        self._bytes = 0
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._behind = newest
        self.newest = newest
        """The largest id that was ever added."""

    def __len__(self) -> int:
        return len(self._events)

    def add(self, events: Sequence[Event]) -> None:
        """The next events, in order. Those that were added before are left out."""
        for event in events:
            if event.id <= self.newest:
                continue
            self._events.append(event)
            self._ids.append(event.id)
            self._bytes += event.size
            self.newest = event.id
        self._forget()

    def after(self, cursor: int, limit: int = MOST_AT_A_TIME) -> Sequence[Event] | None:
        """Events behind a cursor, the oldest first. None if the ring does not know all of them: the log does."""
        if not self._behind <= cursor <= self.newest:
            return None
        start = bisect_right(self._ids, cursor)
        return self._events[start : start + limit]

    def _forget(self) -> None:
        gone = max(0, len(self._events) - self._most_events)
        size = self._bytes - sum(event.size for event in self._events[:gone])
        while gone < len(self._events) and size > self._most_bytes:
            size -= self._events[gone].size
            gone += 1
        if gone:
            self._behind = self._ids[gone - 1]
            self._bytes = size
            del self._events[:gone], self._ids[:gone]


# ---- what a reader is to do next ----


class Deliver(NamedTuple):
    """Hand these over."""

    events: Sequence[Event]


class Fetch(NamedTuple):
    """Read the log behind `after`, and tell `fetched`."""

    after: int
    limit: int


class Stale(NamedTuple):
    """Say that events are missing here: the log does not have what follows `after` any more. It goes on at `oldest`."""

    after: int
    oldest: int
    newest: int


class Beat(NamedTuple):
    """Say that nothing happened, and where the reader is."""

    cursor: int


class Wait(NamedTuple):
    """Wait until something is published, `seconds` at most."""

    seconds: float


Step = Deliver | Fetch | Stale | Beat | Wait
Wanted = Callable[[Event], bool]


class Reader:
    """One reader of a stream. `next` is asked again and again; `fetched` after each Fetch."""

    def __init__(
        self, after: int | None, newest: int, now: float, *, wanted: Wanted | None = None, heartbeat: float = HEARTBEAT
    ) -> None:
        """`after`: the last id it had; None: only what comes from now on. `wanted`: which events it wants."""
        self.cursor = newest if after is None else after
        self._wanted = wanted
        self._heartbeat = heartbeat
        self._spoke = now
        self._greeted = after is not None
        self._empty_at: int | None = None

    def next(self, ring: Ring, now: float) -> Step:
        """What is to be done now."""
        if not self._greeted:  # so that one who is cut off before the first event can go on without a gap
            self._greeted = True
            return Beat(self.cursor)
        while events := ring.after(self.cursor):
            events = _handful(events)
            self.cursor = events[-1].id
            if step := self._delivered(events, now):
                return step
        if events is None and self._empty_at != ring.newest:
            return Fetch(self.cursor, MOST_AT_A_TIME)
        if now - self._spoke >= self._heartbeat:
            self._spoke = now
            return Beat(self.cursor)
        return Wait(self._spoke + self._heartbeat - now)

    def fetched(self, events: Sequence[Event], oldest: int, newest: int, ring: Ring, now: float) -> Step | None:
        """What the log has behind the cursor: its events, its oldest and newest id. None: ask `next` again."""
        if self.cursor < oldest - 1 or self.cursor > newest:
            step = Stale(self.cursor, oldest, newest)
            self.cursor, self._spoke = oldest - 1, now
            return step
        if not events:  # the log is ahead of the ring, which will follow
            self._empty_at = ring.newest
            return None
        events = _handful(events)
        self.cursor = events[-1].id
        return self._delivered(events, now)

    def _delivered(self, events: Sequence[Event], now: float) -> Step | None:
        chosen = events if self._wanted is None else [event for event in events if self._wanted(event)]
        if not chosen:
            return None
        self._spoke = now
        return Deliver(chosen)


def _handful(events: Sequence[Event]) -> Sequence[Event]:
    """As many of these as a reader may hold."""
    size = 0
    for index, event in enumerate(events):
        size += event.size
        if size > MOST_BYTES_AT_A_TIME and index:
            return events[:index]
    return events

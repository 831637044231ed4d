"""Which connections there are, by addresses and ports, bounded: a flood of SYNs costs the oldest half-open ones (RFC 4987)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from appliance.tcp.connection import Connection
from appliance.tcp.counted import Count, Counts
from appliance.tcp.segment import SegmentWriter
from appliance.tcp.states import State

MOST: Final = 16384
"""Connections, those in TIME-WAIT included."""
MOST_HALF_OPEN: Final = 1024
"""Handshakes that others began and have not finished. One of them costs about 3 KiB."""


class Key(NamedTuple):
    """Which connection: addresses have 4 or 16 bytes."""

    local: bytes
    local_port: int
    remote: bytes
    remote_port: int

    @property
    def packed(self) -> bytes:
        """All of it, for hashing."""
        return self.local + self.local_port.to_bytes(2, "big") + self.remote + self.remote_port.to_bytes(2, "big")


class Flow:
    """A connection in its place."""

    __slots__ = ("connection", "key", "left", "queued", "scheduled", "shown", "token", "writer")

    def __init__(self, key: Key, connection: Connection) -> None:
        self.key = key
        self.connection = connection
        self.writer = SegmentWriter(key.local, key.remote, key.local_port, key.remote_port)
        self.queued = False
        """Is it among those that may have something to send?"""
        self.shown = False
        """Is it among those that the application's side is to look at?"""
        self.scheduled = float("inf")
        """When it is looked at for its timers."""
        self.token: object = None
        """What the application's side keeps with it; None as long as it knows nothing of it, and once it needs nothing of it."""
        self.left = False
        """The application's side has had it, and needs nothing of it any more."""


class Flows:
    """All of them."""

    def __init__(self, counts: Counts, most: int = MOST) -> None:
        self._counts = counts
        self._most = most
        self._by_key: dict[Key, Flow] = {}
        self._half_open: dict[Key, Flow] = {}
        self._waiting: dict[Key, Flow] = {}
        """In TIME-WAIT."""

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Flow]:
        return iter(tuple(self._by_key.values()))

    def get(self, key: Key) -> Flow | None:
        """The connection of that key."""
        return self._by_key.get(key)

    def add(self, flow: Flow) -> bool:
        """Keep one more. False: there are as many as there may be."""
        if len(self._by_key) >= self._most and not self._make_room():
            self._counts[Count.TOO_MANY] += 1
            return False
        self._by_key[flow.key] = flow
        if flow.connection.state is State.SYN_RECEIVED:
            if len(self._half_open) >= MOST_HALF_OPEN:
                self._counts[Count.BACKLOG] += 1
                self.forget(next(iter(self._half_open.values())))
            self._half_open[flow.key] = flow
        return True

    def _make_room(self) -> bool:
        """What has ended waits for stray segments only as long as nobody needs its place."""
        for flow in self._waiting.values():
            if flow.token is None:
                self.forget(flow)
                return True
        return False

    def moved(self, flow: Flow) -> None:
        """Its state may be another now."""
        state = flow.connection.state
        if state is not State.SYN_RECEIVED:
            self._half_open.pop(flow.key, None)
        if state is State.TIME_WAIT and flow.key in self._by_key:
            self._waiting.setdefault(flow.key, flow)

    def forget(self, flow: Flow) -> None:
        """It is over."""
        if self._by_key.get(flow.key) is flow:
            del self._by_key[flow.key]
            self._half_open.pop(flow.key, None)
            self._waiting.pop(flow.key, None)
        flow.connection.forget()

    def figures(self) -> dict[str, int]:
        """How many there are."""
        return {"connections": len(self._by_key), "half-open": len(self._half_open), "time-wait": len(self._waiting)}

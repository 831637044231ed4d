"""Many streams over one connection: yamux (hashicorp's spec.md, with libp2p's rule that a stream ends in both directions).

     0         1         2              4                    8                   12
    +---------+---------+--------------+--------------------+-------------------+
    | version | type    | flags        | stream             | length            |  then so many bytes, for data
    +---------+---------+--------------+--------------------+-------------------+
      0         0 data, 1 window update, 2 ping, 3 go away     dialers open odd ones, listeners even ones

A window of 256 KiB each way bounds what a stream may send before its reader has taken it. What a connection has received and
nobody has taken is bounded too: a stream that goes beyond is reset.
"""

from __future__ import annotations

import sys
from enum import IntFlag
from struct import Struct
from typing import Final, NamedTuple

from appliance_discovery_libp2p.wire.malformed import Malformed

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
HEADER: Final = Struct(">BBHII")
WINDOW: Final = 256 * 1024
"""Bytes, which both sides begin with. By the specification."""
MOST_WINDOW: Final = 1 << 30
"""Bytes that we believe to be allowed to send; more is counted as so much."""
MOST_STREAMS: Final = 64
"""That the other side may have open at a time. A peer of our protocols has less than ten."""
MOST_UNREAD: Final = 1024 * 1024
"""Bytes of all streams together that wait for their readers here."""
MOST_PIECE: Final = 65536 - 16 - 1 - HEADER.size
"""Bytes of a frame that we send: one record of Noise holds it."""
NORMAL, BROKEN = 0, 1
"""Codes of go away."""


class Flag(IntFlag):
    """What a frame does to its stream besides."""

    SYN = 1
    ACK = 2
    FIN = 4
    RST = 8


class Opened(NamedTuple):
    """The other side has opened a stream."""

    stream: int


class Data(NamedTuple):
    """Bytes of a stream; say `taken` when they have been read."""

    stream: int
    data: bytes


class Ended(NamedTuple):
    """Nothing more comes in this stream."""

    stream: int


class Gone(NamedTuple):
    """The stream is reset, in both directions."""

    stream: int


class Room(NamedTuple):
    """More may be sent in this stream than before."""

    stream: int


Event = Opened | Data | Ended | Gone | Room


class _Half:
    """What is left of a stream's windows, and which of its directions has ended."""

    __slots__ = ("may_receive", "may_send", "owed", "received_all", "sent_all", "unread")

    def __init__(self) -> None:
        self.may_send = self.may_receive = WINDOW
        self.owed = 0
        """Bytes that were taken and that no window update has given back yet."""
        self.unread = 0
        self.sent_all = self.received_all = False


class Yamux:
    """One side of a connection. `out` is to be sent. Only `receive` raises: Malformed, for what the peer did wrong."""

    def __init__(self, *, initiator: bool) -> None:
        self.out = bytearray()
        self.refused = 0
        """Streams that were too many, or held too much."""
        self.leaving = False
        """The other side takes no new streams."""
        self.more = False
        """Are there frames that `receive` has not read?"""
        self._in = bytearray()
        self._streams: dict[int, _Half] = {}
        self._next = 1 if initiator else 2
        self._theirs = 0 if initiator else 1
        """What their streams have for a remainder by two."""
        self._last_theirs = 0
        self._unread = 0

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    def knows(self, stream: int) -> bool:
        """Is it open, in one direction at least?"""
        return stream in self._streams

    def open(self) -> int:
        """A new stream."""
        stream, self._next = self._next, self._next + 2
        self._streams[stream] = _Half()
        self._put(WINDOW_UPDATE, Flag.SYN, stream, 0)
        return stream

    def send(self, stream: int, data: bytes | memoryview) -> int:
        """As many bytes as the window has room for; returns how many. 0 also for a stream that takes nothing any more."""
        half = self._streams.get(stream)
        if half is None or half.sent_all:
            return 0
        fits = min(len(data), half.may_send)
        for begin in range(0, fits, MOST_PIECE):
            piece = data[begin : min(fits, begin + MOST_PIECE)]
            self._put(DATA, 0, stream, len(piece))
            self.out += piece
        half.may_send -= fits
        return fits

    def taken(self, stream: int, count: int) -> None:
        """So many bytes of it have been read."""
        half = self._streams.get(stream)
        if half is None:
            return
        half.unread -= count
        self._unread -= count
        half.owed += count
        if half.owed >= WINDOW // 2 and not half.received_all:
            self._put(WINDOW_UPDATE, 0, stream, half.owed)
            half.may_receive += half.owed
            half.owed = 0

    def end(self, stream: int) -> None:
        """Nothing more is sent in it."""
        half = self._streams.get(stream)
        if half is not None and not half.sent_all:
            half.sent_all = True
            self._put(DATA, Flag.FIN, stream, 0)
            self._forget_if_over(stream, half)

    def reset(self, stream: int) -> None:
        """End it at once, both ways."""
        if stream in self._streams:
            self._put(WINDOW_UPDATE, Flag.RST, stream, 0)
            self._forget(stream)

    def ping(self) -> None:
        """Have the other side say that it is there."""
        self._put(PING, Flag.SYN, 0, 0)

    def go_away(self, code: int = NORMAL) -> None:
        """Say that the connection ends."""
        self._put(GO_AWAY, 0, 0, code)

    def receive(self, data: bytes, most: int = sys.maxsize) -> list[Event]:
        """What it does, of `most` frames; see `more`. Raises Malformed: end the connection."""
        self._in += data
        events: list[Event] = []
        at, left = 0, most
        while left and len(self._in) - at >= HEADER.size:
            version, kind, flags, stream, length = HEADER.unpack_from(self._in, at)
            if version or kind > GO_AWAY or flags > 15 or (kind in {DATA, WINDOW_UPDATE}) != bool(stream):
                raise Malformed("yamux")
            end = at + HEADER.size + (length if kind == DATA else 0)
            if kind == DATA and length > WINDOW:
                raise Malformed("yamux")
            if len(self._in) < end:
                break
            if kind == DATA:
                self._hear(Flag(flags), stream, bytes(self._in[at + HEADER.size : end]), events)
            elif kind == WINDOW_UPDATE:
                self._hear_window(Flag(flags), stream, length, events)
            elif kind == PING and flags & Flag.SYN:
                self._put(PING, Flag.ACK, 0, length)
            elif kind == GO_AWAY:
                self.leaving = True
            at = end
            left -= 1
        self.more = not left
        del self._in[:at]
        return events

    def _hear(self, flags: Flag, stream: int, data: bytes, events: list[Event]) -> None:
        self._open_theirs(flags, stream, events)
        half = self._streams.get(stream)
        if half is None:
            return  # of a stream that we have reset: what was under way
        if data:
            if len(data) > half.may_receive or half.received_all:
                raise Malformed("yamux")
            half.may_receive -= len(data)
            half.unread += len(data)
            self._unread += len(data)
            if self._unread > MOST_UNREAD:
                self.refused += 1
                self.reset(stream)
                events.append(Gone(stream))
                return
            events.append(Data(stream, data))
        self._end_theirs(flags, stream, half, events)

    def _hear_window(self, flags: Flag, stream: int, more: int, events: list[Event]) -> None:
        self._open_theirs(flags, stream, events)
        half = self._streams.get(stream)
        if half is None:
            return
        if more:
            half.may_send = min(half.may_send + more, MOST_WINDOW)
            events.append(Room(stream))
        self._end_theirs(flags, stream, half, events)

    def _open_theirs(self, flags: Flag, stream: int, events: list[Event]) -> None:
        if not flags & Flag.SYN:
            return
        if stream % 2 != self._theirs or stream <= self._last_theirs:
            raise Malformed("yamux")
        self._last_theirs = stream
        if sum(number % 2 == self._theirs for number in self._streams) >= MOST_STREAMS:
            self.refused += 1
            self._put(WINDOW_UPDATE, Flag.RST, stream, 0)
            return
        self._streams[stream] = _Half()
        self._put(WINDOW_UPDATE, Flag.ACK, stream, 0)
        events.append(Opened(stream))

    def _end_theirs(self, flags: Flag, stream: int, half: _Half, events: list[Event]) -> None:
        if flags & Flag.RST:
            self._forget(stream)
            events.append(Gone(stream))
        elif flags & Flag.FIN and not half.received_all:
            half.received_all = True
            events.append(Ended(stream))
            self._forget_if_over(stream, half)

    def _forget_if_over(self, stream: int, half: _Half) -> None:
        if half.sent_all and half.received_all:
            self._forget(stream)

    def _forget(self, stream: int) -> None:
        self._unread -= self._streams.pop(stream).unread

    def _put(self, kind: int, flags: int, stream: int, length: int) -> None:
        self.out += HEADER.pack(0, kind, flags, stream, length)

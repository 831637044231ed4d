"""Puts fragments together again. Parity replaces lost ones if there is some. Bounded: the oldest record is given up for a new
one.

Counts what came and what should have come: the far end is told, so that it knows what the path loses.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from appliance.api.datagrams.fragments import (
    CRC_AT,
    FLAGS_AT,
    FRAGMENT_AT,
    LAST,
    LENGTH_AT,
    PARITY,
    PARITY_FLAGS,
    SPANS,
    lines_of,
)

if TYPE_CHECKING:
    from appliance.api.transport import DropReason, SocketAddress

MAX_PARTIAL: Final = 32
MAX_PARTIAL_BYTES: Final = 1 << 20
REMEMBERED: Final = 64
"""Finished records whose late fragments are known as such: more than any reordering that we have seen."""

_u16 = struct.Struct("!H")
Key = tuple["SocketAddress | None", bytes]


class Partial:
    """A record of which some fragments are here."""

    __slots__ = ("body", "count", "parity", "piece", "seen")

    def __init__(self, room: int, piece: int) -> None:
        self.body = memoryview(bytearray(room))
        """The data pieces, at their places."""
        self.piece = piece
        """Bytes of a piece."""
        self.count = 0
        """Data pieces of the record; 0 as long as that is not known."""
        self.seen: set[int] = set()
        """Which pieces are here."""
        self.parity: dict[int, int] = {}
        """The parity pieces that are here."""


class Joiner:
    """All unfinished records of one socket."""

    def __init__(self, drop: Callable[[DropReason, int], None]) -> None:
        self._drop = drop
        self._partial: dict[Key, Partial] = {}
        self._bytes = 0
        self._finished: dict[Key, None] = {}
        self.expected = 0
        """Datagrams of cut records that should have come so far."""
        self.seen = 0
        """Datagrams of cut records that came."""

    def add(self, source: SocketAddress | None, header: bytes, piece: memoryview) -> tuple[bytes, memoryview] | None:
        """Take one fragment. The record's header and body if it is whole now; otherwise None."""
        size = len(piece)
        length, number = _u16.unpack_from(header, LENGTH_AT)[0], header[FRAGMENT_AT]
        if not size or not length or crc_hqx(header[:CRC_AT], 0xFFFF) != _u16.unpack_from(header, CRC_AT)[0]:
            self._drop("malformed", 1)
            return None
        key = (source, _without_place(header))
        if key in self._finished:
            self.seen += 1
            return None
        span = SPANS.get(header[FLAGS_AT] & PARITY_FLAGS, 0)
        if span:
            done = self._with_parity(key, number, piece, length, span)
        else:
            done = self._plain(key, number, piece, length, last=bool(header[FLAGS_AT] & LAST))
        if done is None:
            return None
        self._end(key)
        self.finish(key)
        return first_header(header), done.body[:length]

    def finish(self, key: Key) -> None:
        """Remember that a record is done, so that a late fragment of it does not begin another."""
        self._finished[key] = None
        if len(self._finished) > REMEMBERED:
            del self._finished[next(iter(self._finished))]

    def key_of(self, source: SocketAddress | None, header: bytes) -> Key:
        """The key of the record that a fragment belongs to."""
        return source, _without_place(header)

    def _plain(self, key: Key, number: int, piece: memoryview, length: int, *, last: bool) -> Partial | None:
        size = len(piece)
        offset = length - size if last else number * size
        if offset < 0 or offset + size > length:
            self._drop("malformed", 1)
            return None
        partial = self._partial.get(key)
        if partial is None:
            partial = self._begin(key, length, size)
            self.expected += number + 1 if last else -(-length // size)
        if number in partial.seen:
            return None
        self.seen += 1
        partial.seen.add(number)
        partial.body[offset : offset + size] = piece
        if last:
            partial.count = number + 1
        return partial if partial.count == len(partial.seen) else None

    def _with_parity(self, key: Key, number: int, piece: memoryview, length: int, span: int) -> Partial | None:
        size = len(piece)
        partial = self._partial.get(key)
        count = -(-length // size)
        if not 0 < count <= PARITY:
            self._drop("malformed", 1)
            return None
        lines = lines_of(count, span)
        fits = number < count or 0 <= number - PARITY < len(lines)
        if not fits or (partial is not None and partial.piece != size):
            self._drop("malformed", 1)
            return None
        if partial is None:
            partial = self._begin(key, count * size, size)
            partial.count = count
            self.expected += count + len(lines)
        self.seen += 1
        if number < count:
            partial.seen.add(number)
            partial.body[number * size : (number + 1) * size] = piece
        else:
            partial.parity[number - PARITY] = int.from_bytes(piece, "little")
        if len(partial.seen) == count:
            return partial
        if len(partial.seen) + len(partial.parity) >= count and _recover(partial, lines):
            return partial
        return None

    def _begin(self, key: Key, room: int, piece: int) -> Partial:
        while self._partial and (len(self._partial) >= MAX_PARTIAL or self._bytes + room > MAX_PARTIAL_BYTES):
            self._end(next(iter(self._partial)))
            self._drop("reassembly", 1)
        partial = self._partial[key] = Partial(room, piece)
        self._bytes += room
        return partial

    def _end(self, key: Key) -> None:
        self._bytes -= len(self._partial.pop(key).body)


def first_header(header: bytes) -> bytes:
    """The header of fragment 0, with which the record was sealed, from the header of any fragment."""
    fields = bytearray(header[:CRC_AT])
    fields[FLAGS_AT] &= ~LAST
    fields[FRAGMENT_AT] = 0
    return bytes(fields) + _u16.pack(crc_hqx(fields, 0xFFFF))


def _without_place(header: bytes) -> bytes:
    """What all fragments of a record have in common and those of other records do not: parity, session, record number, length."""
    return bytes((header[FLAGS_AT] & PARITY_FLAGS,)) + header[4:FRAGMENT_AT] + header[LENGTH_AT:CRC_AT]


def _recover(partial: Partial, lines: Sequence[range]) -> bool:
    """Fill the holes, each from a line in which nothing else is missing by then. False: not all can be filled, and nothing was
    changed."""
    holes = {number for number in range(partial.count) if number not in partial.seen}
    order = []
    while holes:
        single = _single_hole(holes, [(line, lines[line]) for line in partial.parity])
        if single is None:
            return False
        order.append(single)
        holes.discard(single[0])
    size, body = partial.piece, partial.body
    for hole, line in order:
        value = partial.parity[line]
        for number in lines[line]:
            if number != hole:
                value ^= int.from_bytes(body[number * size : (number + 1) * size], "little")
        body[hole * size : (hole + 1) * size] = value.to_bytes(size, "little")
    return True


def _single_hole(holes: set[int], lines: Iterable[tuple[int, range]]) -> tuple[int, int] | None:
    """A hole, and the number of a line in which it is the only one."""
    for number, line in lines:
        among = holes.intersection(line)
        if len(among) == 1:
            return among.pop(), number
    return None

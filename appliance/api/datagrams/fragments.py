"""How a record is cut into datagrams: the same header in front of each, but for fragment number, flags and checksum. Hot.

    shared buffer  [header 0 | piece 0 | piece 1 | piece 2 …]   sent as header 0 piece 0, header 1 piece 1, header 2 piece 2 …
    header i       = header 0 xor pattern i;  CRC-16 is linear, so its difference is a constant, too

So all headers of a record are one exclusive-or of two big numbers, and nothing of the payload is copied.

On a path that loses datagrams a record goes with parity (docs/protocol.md, "Parity"): its pieces make rows, and the exclusive-or
of the rows is more pieces, one for each column. Where much is lost, each row has one, too:

    piece 0   piece 1   piece 2 │ row parity 0
    piece 3   piece 4   piece 5 │ row parity 1
    piece 6   zeros     zeros   │ row parity 2
    ────────────────────────────┘
    column parity 0 … 2

A column can lose one datagram, and so can a row. If there are both, one of them mends what the other cannot.
"""

from __future__ import annotations

import functools
import operator
import struct
from binascii import crc_hqx
from collections.abc import Sequence
from typing import Final

from appliance.api.datagrams.vectors import Vector

HEADER: Final = 24
FLAGS_AT, FRAGMENT_AT, LENGTH_AT, CRC_AT = 3, 15, 20, 22
FRAGMENT, LAST = 0x04, 0x08
PARITY_FLAGS: Final = 0x50
"""The two bits in the flags of a sealed packet that tell how long the columns of its parity are."""
SPANS: Final = {0x10: 16, 0x40: 8, 0x50: 4}
"""From flag bits to the pieces for which there is one parity piece. 16 corrects losses up to about 0.3 %, 8 up to 0.7 %, 4 up to
5 %."""
SQUARE: Final = 4
"""The span at which records of more than SHORT pieces have row parity too."""
SHORT: Final = 16
WIDE: Final = 32
"""Records of more pieces than this have rows of 8; others have rows of 4."""
PARITY: Final = 128
"""Fragment number of the first parity piece. Data pieces have lower numbers."""
MAX_BODY: Final = 65535
MIN_DATAGRAM: Final = 548
"""What every IPv4 host takes: 576 bytes without the IP and UDP headers (RFC 791)."""
MAX_SEND: Final = 65507
"""The most one UDP send carries (RFC 768 over IPv4; less than IPv6 allows)."""
MAX_CUTTERS: Final = 32
"""Sizes whose cutter is kept (about 100 KB each). Most paths have the same size."""
MAX_SEGMENTS: Final = 64
"""UDP_MAX_SEGMENTS of kernels before 6.9."""

_put16 = struct.Struct("!H").pack_into


class Cutter:
    """Cuts the record in one buffer into datagrams of one size."""

    def __init__(self, buffer: memoryview, datagram: int) -> None:
        self.datagram = datagram
        """Bytes of a datagram."""
        self.piece = piece = datagram - HEADER
        """Bytes of the body in a datagram, behind its header."""
        self.per_send = min(MAX_SEGMENTS, MAX_SEND // datagram)
        """Datagrams that one send takes."""
        self.body_a_send = self.per_send * piece
        """Bytes of body that one send takes."""
        pieces = -(-MAX_BODY // piece)
        self._buffer = buffer
        self._headers = headers = memoryview(bytearray(HEADER * 2 * pieces))
        self._patterns: dict[int, int] = {}
        self._numbers: dict[tuple[int, int], int] = {}
        self._parity = memoryview(bytearray(piece * max(len(lines_of(pieces, span)) for span in SPANS.values())))
        self._vector: list[memoryview] = [buffer[: HEADER + piece]]
        for i in range(1, pieces):
            self._vector += headers[HEADER * i : HEADER * (i + 1)], buffer[HEADER + piece * i : HEADER + piece * (i + 1)]
        self._prepared = Vector(self._vector)
        self._shortened = 2 * len(self._vector) - 1
        self._full = self._prepared.words[self._shortened]

    def cut_with_parity(self, length: int, span: int) -> list[memoryview]:
        """The same with parity pieces behind, and every datagram full: zeros fill up the last piece.

        Header 0 has the flag bits of `span`.
        """
        piece, buffer = self.piece, self._buffer
        count = -(-length // piece)
        columns = columns_of(count, span)
        end = HEADER + piece * count
        buffer[HEADER + length : end] = bytes(end - HEADER - length)
        row = columns * piece
        rows = [int.from_bytes(buffer[at : min(at + row, end)], "little") for at in range(HEADER, end, row)]
        self._parity[:row] = functools.reduce(operator.xor, rows).to_bytes(row, "little")
        groups = columns
        if is_square(count, span):
            for number in rows:
                self._parity[groups * piece : (groups + 1) * piece] = _folded(number, columns, piece)
                groups += 1
        numbers = self._numbers.get((count, groups))
        if numbers is None:
            numbers = self._numbers[count, groups] = _pattern([*range(count), *range(PARITY, PARITY + groups)], count - 1)
        size = HEADER * (count + groups)
        headers = int.from_bytes(bytes(buffer[:HEADER]) * (count + groups), "big") ^ numbers
        self._headers[:size] = headers.to_bytes(size, "big")
        vector = self._vector[: 2 * count - 1]
        for i in range(groups):
            at = HEADER * (count + i)
            vector += self._headers[at : at + HEADER], self._parity[i * piece : (i + 1) * piece]
        return vector

    def cut(self, length: int) -> list[memoryview]:
        """Views of all datagrams of the record with `length` bytes of body: [header 0 and piece 0, header 1, piece 1, …].

        Valid until the next call. The record has FLAG_FRAGMENT in header 0 and is longer than one piece.
        """
        piece, count = self.piece, self._head(length)
        vector = self._vector[: 2 * count - 1]
        vector[-1] = self._buffer[HEADER + piece * (count - 1) : HEADER + length]
        return vector

    def prepare(self, length: int) -> tuple[Vector, int]:
        """The same as memory that writev(2) reads, and how many of its parts to take."""
        count = self._head(length)
        prepared, parts = self._prepared, 2 * count - 1
        words = prepared.words
        words[self._shortened] = self._full
        self._shortened = shortened = 2 * parts - 1
        self._full = words[shortened]
        words[shortened] = length - self.piece * (count - 1)
        return prepared, parts

    def _head(self, length: int) -> int:
        """Write the headers of a record of `length` bytes. The number of its pieces."""
        count = -(-length // self.piece)
        pattern = self._patterns.get(count)
        if pattern is None:
            pattern = self._patterns[count] = _pattern(range(count), count - 1)
        size = HEADER * count
        headers = int.from_bytes(bytes(self._buffer[:HEADER]) * count, "big") ^ pattern
        self._headers[:size] = headers.to_bytes(size, "big")
        return count


_cutters: dict[tuple[int, int], Cutter] = {}


def cutter_for(buffer: memoryview, datagram: int) -> Cutter:
    """The cutter of this buffer and size. All links of a worker share it: a thousand cutters would take 70 MB."""
    key = (id(buffer), datagram)
    cutter = _cutters.get(key)
    if cutter is None:
        while len(_cutters) >= MAX_CUTTERS:
            del _cutters[next(iter(_cutters))]
        cutter = _cutters[key] = Cutter(buffer, datagram)
    return cutter


def columns_of(count: int, span: int) -> int:
    """Columns of a record of `count` pieces: each at most `span` pieces long. With rows, the columns have a fixed number."""
    if is_square(count, span):
        return 8 if count > WIDE else 4
    return -(-count // span)


def is_square(count: int, span: int) -> bool:
    """Does a record of `count` pieces have row parity?"""
    return span == SQUARE and count > SHORT


@functools.lru_cache(maxsize=256)
def lines_of(count: int, span: int) -> tuple[range, ...]:
    """For each parity piece of a record, the data pieces whose exclusive-or it is: first of the columns, then of the rows."""
    columns = columns_of(count, span)
    lines = [range(column, count, columns) for column in range(columns)]
    if is_square(count, span):
        lines += [range(start, min(start + columns, count)) for start in range(0, count, columns)]
    return tuple(lines)


def _folded(row: int, columns: int, piece: int) -> bytes:
    """The exclusive-or of the pieces of a row; `columns` is a power of two."""
    while columns > 1:
        columns //= 2
        bits = 8 * piece * columns
        row = (row >> bits) ^ (row & _ones(bits))
    return row.to_bytes(piece, "little")


@functools.lru_cache(maxsize=64)
def _ones(bits: int) -> int:
    return (1 << bits) - 1


def _pattern(numbers: Sequence[int], last: int) -> int:
    """What the headers of these fragments differ in from the first one, as one number. `last` is the last data piece."""
    deltas = []
    for number in numbers:
        delta = bytearray(HEADER)
        delta[FRAGMENT_AT] = number
        delta[FLAGS_AT] = LAST if number == last else 0
        _put16(delta, CRC_AT, crc_hqx(delta[:CRC_AT], 0))
        deltas.append(bytes(delta))
    return int.from_bytes(b"".join(deltas), "big")

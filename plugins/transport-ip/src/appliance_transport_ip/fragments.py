"""How a record is cut into datagrams: the same header in front of each, but for fragment number, flags and checksum. Hot.

    shared buffer  [header 0 | piece 0 | piece 1 | piece 2 …]   sent as  header 0 piece 0, header 1 piece 1, header 2 piece 2 …
    header i       = header 0 xor pattern i;  CRC-16 is linear, so its difference is a constant, too

All headers of a record are therefore one exclusive-or of two big numbers, and nothing of the payload is copied.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from typing import Final

HEADER: Final = 24
FLAGS_AT, FRAGMENT_AT, LENGTH_AT, CRC_AT = 3, 15, 20, 22
FRAGMENT, LAST = 0x04, 0x08
MAX_BODY: Final = 65535
MAX_SEND: Final = 65507
"""The most one UDP send carries (RFC 768 over IPv4; less than IPv6 allows)."""
MAX_CUTTERS: Final = 32
"""Sizes whose cutter is kept, about 100 KB each: paths are alike."""
MAX_SEGMENTS: Final = 64
"""UDP_MAX_SEGMENTS of kernels before 6.9."""

_put16 = struct.Struct("!H").pack_into


class Cutter:
    """Cuts the record in one buffer into datagrams of one size. `piece` is what a datagram carries behind its header."""

    def __init__(self, buffer: memoryview, datagram: int) -> None:
        self.datagram = datagram
        self.piece = piece = datagram - HEADER
        self.per_send = min(MAX_SEGMENTS, MAX_SEND // datagram)
        pieces = -(-MAX_BODY // piece)
        self._buffer = buffer
        self._headers = headers = memoryview(bytearray(HEADER * pieces))
        self._patterns: dict[int, int] = {}
        self._vector: list[memoryview] = [buffer[: HEADER + piece]]
        for i in range(1, pieces):
            self._vector += headers[HEADER * i : HEADER * (i + 1)], buffer[HEADER + piece * i : HEADER + piece * (i + 1)]

    def cut(self, length: int) -> list[memoryview]:
        """Views of all datagrams of the record with `length` bytes of body: [header 0 and piece 0, header 1, piece 1, …].

        Valid until the next call. The record has FLAG_FRAGMENT in header 0 and is longer than one piece.
        """
        piece = self.piece
        count = -(-length // piece)
        pattern = self._patterns.get(count)
        if pattern is None:
            pattern = self._patterns[count] = _pattern(count)
        size = HEADER * count
        headers = int.from_bytes(bytes(self._buffer[:HEADER]) * count, "big") ^ pattern
        self._headers[:size] = headers.to_bytes(size, "big")
        vector = self._vector[: 2 * count - 1]
        vector[-1] = self._buffer[HEADER + piece * (count - 1) : HEADER + length]
        return vector


_cutters: dict[tuple[int, int], Cutter] = {}


def cutter_for(buffer: memoryview, datagram: int) -> Cutter:
    """The cutter of this buffer and size; all links of a worker share it (a thousand of their own would take 70 MB)."""
    key = (id(buffer), datagram)
    cutter = _cutters.get(key)
    if cutter is None:
        while len(_cutters) >= MAX_CUTTERS:
            del _cutters[next(iter(_cutters))]
        cutter = _cutters[key] = Cutter(buffer, datagram)
    return cutter


def _pattern(count: int) -> int:
    """What the headers of `count` fragments differ in from the first, as one number."""
    deltas = [bytes(HEADER)]
    for number in range(1, count):
        delta = bytearray(HEADER)
        delta[FRAGMENT_AT] = number
        delta[FLAGS_AT] = LAST if number == count - 1 else 0
        _put16(delta, CRC_AT, crc_hqx(delta[:CRC_AT], 0))
        deltas.append(bytes(delta))
    return int.from_bytes(b"".join(deltas), "big")

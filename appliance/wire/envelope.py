"""The 24-byte header in front of every LLP record, fragment and handshake packet. Owns the layout and its numbers, nothing else.

Network order. The whole header is associated data of a sealed record; the checksum only drops noise before any key is looked up.

     0        2    3    4              8                        16             20       22       24
    +--------+----+----+--------------+------------------------+--------------+--------+--------+
    | proto  |type|flag| stream       | sequence               | timestamp    | length | crc16  |
    | u16    |u8  |u8  | u32          | u64                    | u32          | u16    | u16    |
    +--------+----+----+--------------+------------------------+--------------+--------+--------+
              stream     session index of the receiver (24 bits) << 8 | channel (8 bits)
              sequence   record number (56 bits) << 8 | fragment number (8 bits)
              timestamp  milliseconds of the sender's monotonic clock; wraps
              length     bytes of the whole body, all fragments together, tag included
              crc16      CRC-16/CCITT (polynomial 0x1021, start 0xffff) over bytes 0 to 21
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

PROTO = 0x4C31
"""'L1': LLP version 1. Another version is another number, so an old peer drops it at the first two bytes."""


class PacketType(IntEnum):
    """The six types of version 1."""

    DATA = 1
    ACK = 2
    HANDSHAKE_INIT = 3
    HANDSHAKE_RESPONSE = 4
    KEEP_ALIVE = 5
    DISCONNECT = 6


HANDSHAKE_TYPES = frozenset({PacketType.HANDSHAKE_INIT, PacketType.HANDSHAKE_RESPONSE})

# Flags are plain ints: IntFlag arithmetic costs more than the header it describes.
FLAG_PHASE = 0x03
"""The low two bits of the key epoch."""
FLAG_FRAGMENT = 0x04
"""The body is cut into fragments, of which this is one."""
FLAG_LAST = 0x08
"""This is the last fragment. Never set without FLAG_FRAGMENT."""
FLAG_COOKIE = 0x10
"""HandshakeResponse: the body is a cookie to be echoed. HandshakeInit: the hello carries one."""
FLAG_JSON = 0x40
"""The handshake body is JSON text instead of the binary form."""
FLAG_NO_SESSION = 0x80
"""HandshakeResponse: it belongs to no handshake and says that a session is not known here; see `no_session`."""

CHANNEL_IP = 0
"""Records of IP packets."""
CHANNEL_CONTROL = 1
"""One control message in each record."""
CHANNEL_FIRST, CHANNEL_LAST = 2, 255
"""Data channels. What their records hold is known to those who agreed on the channel."""

HEADER = struct.Struct("!HBBIQIHH")
HEADER_BYTES = HEADER.size
FIELDS = struct.Struct("!HBBIQIH")
"""The header without its checksum."""
CRC = struct.Struct("!H")
STREAM = struct.Struct("!I")
CRC_AT = FIELDS.size
CRC_START = 0xFFFF

FLAGS_AT = 3
FRAGMENT_AT = 15
"""The lowest byte of the sequence is the fragment number."""
LENGTH_AT = 20

MAX_BODY_BYTES = 0xFFFF
MAX_SESSION_INDEX = (1 << 24) - 1
NONCE_PREFIX = bytes(4)

Fields = tuple[int, int, int, int, int, int, int, int]
"""proto, type, flags, stream, sequence, timestamp, length, crc16."""


def pack(kind: int, flags: int, stream: int, sequence: int, timestamp: int, length: int) -> bytes:
    """The 24 bytes of a header. `timestamp` may be any number of milliseconds; its low 32 bits go out."""
    fields = FIELDS.pack(PROTO, kind, flags, stream, sequence, timestamp & 0xFFFFFFFF, length)
    return fields + CRC.pack(crc_hqx(fields, CRC_START))


def pack_into(buffer: memoryview, kind: int, flags: int, stream: int, sequence: int, timestamp: int, length: int) -> None:
    """The same into the first 24 bytes of `buffer`."""
    FIELDS.pack_into(buffer, 0, PROTO, kind, flags, stream, sequence, timestamp & 0xFFFFFFFF, length)
    CRC.pack_into(buffer, CRC_AT, crc_hqx(buffer[:CRC_AT], CRC_START))


def unpack(packet: Buffer) -> Fields | None:
    """The header's fields. None if `packet` is shorter than a header, of another protocol or version, or damaged."""
    view = memoryview(packet)
    if len(view) < HEADER_BYTES:
        return None
    fields: Fields = HEADER.unpack_from(view)
    if fields[0] != PROTO or crc_hqx(view[:CRC_AT], CRC_START) != fields[7]:
        return None
    return fields


def fragment_header(first: bytes, number: int, last: bool) -> bytes:
    """The header of fragment `number` of the record whose fragment 0 has the header `first` (FLAG_FRAGMENT set)."""
    header = bytearray(first[:CRC_AT])
    header[FRAGMENT_AT] = number
    if last:
        header[FLAGS_AT] |= FLAG_LAST
    return bytes(header) + CRC.pack(crc_hqx(header, CRC_START))


def first_header(fragment: bytes) -> bytes:
    """The header of fragment 0, which is the associated data, from the header of any fragment of the record."""
    header = bytearray(fragment[:CRC_AT])
    header[FRAGMENT_AT] = 0
    header[FLAGS_AT] &= ~FLAG_LAST
    return bytes(header) + CRC.pack(crc_hqx(header, CRC_START))


def nonce(sequence: int) -> bytes:
    """The 12-byte AEAD nonce of a record: four zero bytes, then the sequence with fragment number 0."""
    return NONCE_PREFIX + (sequence & ~0xFF).to_bytes(8, "big")


def read_no_session(body: bytes) -> int | None:
    """The session index that is not known there. None if `body` is not that of a no-session packet."""
    return STREAM.unpack(body)[0] >> 8 if len(body) == STREAM.size else None


def no_session(stream: int, timestamp: int) -> bytes:
    """The packet that says: your record for `stream` met no session here. Anybody could send it, so it is no more than a hint. It
    is shorter than any record that it answers."""
    return pack(PacketType.HANDSHAKE_RESPONSE, FLAG_NO_SESSION, 0, 0, timestamp, STREAM.size) + STREAM.pack(stream)

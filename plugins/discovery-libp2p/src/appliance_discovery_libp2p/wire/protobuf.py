"""Protocol Buffers (proto2, proto3), as far as libp2p's messages go: numbers and bytes by field number, within bounds.

    tag = field number << 3 | type     0: varint, 2: length and bytes; 1 and 5 (fixed sizes) are skipped, groups refused

Six messages of a handful of fields need neither generated code nor a library, which would bind this plugin to one version of its
generator. What a message has to hold is judged by whoever reads it.
"""

from __future__ import annotations

from typing import Final

from appliance_discovery_libp2p.wire.malformed import Malformed

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MOST_FIELDS: Final = 6144
"""Of one message with those inside it, which takes a few milliseconds; a gossip of 5,000 ids is the largest honest one."""
LONGEST_VARINT: Final = 10
"""Bytes: negative int32 are written with ten."""

Fields = dict[int, list[int | bytes]]
"""Values by field number, in the order of the message."""


class Allowance:
    """How many fields may still be read: of one message, and of those inside it."""

    def __init__(self, fields: int = MOST_FIELDS) -> None:
        self.fields = fields


def read(message: bytes, allowance: Allowance | None = None) -> Fields:
    """All its fields. Raises Malformed, also for more than the allowance."""
    allowance = allowance or Allowance()
    found: Fields = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        allowance.fields -= 1
        if allowance.fields < 0 or not number:
            raise Malformed("protobuf")
        if kind == VARINT:
            value, at = _varint(message, at)
            found.setdefault(number, []).append(value)
        elif kind == BYTES:
            length, at = _varint(message, at)
            if length > len(message) - at:
                raise Malformed("protobuf")
            found.setdefault(number, []).append(message[at : at + length])
            at += length
        elif kind in {FIXED64, FIXED32}:
            at += 8 if kind == FIXED64 else 4
            if at > len(message):
                raise Malformed("protobuf")
        else:
            raise Malformed("protobuf")
    return found


def write(*fields: tuple[int, int | bytes | None]) -> bytes:
    """A message of fields in this order; those that are None are left out."""
    written = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            written += _encoded(number << 3 | VARINT) + _encoded(value)
        elif value is not None:
            written += _encoded(number << 3 | BYTES) + _encoded(len(value)) + value
    return bytes(written)


def octets(fields: Fields, number: int, most: int) -> bytes | None:
    """The last value of a field of bytes, as the specification wants it; None when it is not there. Raises Malformed."""
    found = every(fields, number, most)
    return found[-1] if found else None


def integer(fields: Fields, number: int) -> int | None:
    """The last value of a field that is a number. Raises Malformed."""
    values = fields.get(number)
    if not values:
        return None
    if not isinstance(values[-1], int):
        raise Malformed("protobuf")
    return values[-1]


def every(fields: Fields, number: int, most: int) -> list[bytes]:
    """All values of a field of bytes. Raises Malformed for one longer than `most` bytes."""
    found = []
    for value in fields.get(number, ()):
        if not isinstance(value, bytes) or len(value) > most:
            raise Malformed("protobuf")
        found.append(value)
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = 0
    for index in range(LONGEST_VARINT):
        if at + index >= len(message):
            break
        byte = message[at + index]
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number & (1 << 64) - 1, at + index + 1
    raise Malformed("protobuf")


def _encoded(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)

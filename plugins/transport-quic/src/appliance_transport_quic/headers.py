"""What a listener reads of a QUIC packet before there is a connection (RFC 8999; RFC 9000, section 17.2). Pure.

long header   1 type (2) … | version (32) | n (8) | destination ID | n (8) | source ID | of an Initial: token length (i) | token
short header  0 … | destination ID
"""

from __future__ import annotations

from typing import Final, NamedTuple

ID_BYTES: Final = 8
"""Of the connection IDs that we issue: short headers do not tell."""
MOST_ID_BYTES: Final = 20
"""RFC 9000, section 17.2."""
LEAST_INITIAL: Final = 1200
"""Bytes of a UDP payload with an Initial (RFC 9000, section 14.1). What is shorter is not answered, so no answer is longer than
what it answers."""
VERSION_1: Final = 1
_LONG: Final = 0x80
_TYPE: Final = 0x30
_INITIAL: Final = 0x00


class Long(NamedTuple):
    """A long header."""

    version: int
    destination: bytes
    source: bytes
    initial: bool
    """It is an Initial of version 1."""
    token: bytes


def destination_of(packet: bytes) -> bytes:
    """The connection ID that a packet goes to; empty if it is too short to have one."""
    if packet[0] & _LONG:
        return packet[6 : 6 + packet[5]] if len(packet) > 6 else b""
    return packet[1 : 1 + ID_BYTES]


def read_long(packet: bytes) -> Long | None:
    """The long header of a packet; None if it has none, or one that ends too early."""
    if len(packet) < 7 or not packet[0] & _LONG:
        return None
    version = int.from_bytes(packet[1:5])
    at = 6 + packet[5]
    destination = packet[6:at]
    if at >= len(packet):
        return None
    end = at + 1 + packet[at]
    source = packet[at + 1 : end]
    if end > len(packet):
        return None
    if version != VERSION_1 or packet[0] & _TYPE != _INITIAL:
        return Long(version, destination, source, initial=False, token=b"")
    if len(destination) > MOST_ID_BYTES or len(source) > MOST_ID_BYTES or end >= len(packet):
        return None
    bytes_of_length = 1 << (packet[end] >> 6)
    length = int.from_bytes(packet[end : end + bytes_of_length]) & ((1 << (8 * bytes_of_length - 2)) - 1)
    token_at = end + bytes_of_length
    if token_at + length > len(packet):
        return None
    return Long(version, destination, source, initial=True, token=packet[token_at : token_at + length])

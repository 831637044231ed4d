"""Unsigned varints (multiformats/unsigned-varint): seven bits a byte, the lowest first, at most nine bytes."""

from __future__ import annotations

from typing import Final

from appliance_discovery_libp2p.wire.malformed import Malformed

LONGEST: Final = 9
"""Bytes of one, by the specification: numbers have 63 bits."""


def encode(number: int) -> bytes:
    """Its shortest form."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def decode(data: bytes | bytearray, at: int = 0, longest: int = LONGEST) -> tuple[int, int] | None:
    """The number at an offset, and the offset behind it; None while it is not complete. Raises Malformed when it is too long, or
    longer than it need be."""
    number = 0
    for index in range(longest):
        if at + index >= len(data):
            return None
        byte = data[at + index]
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if byte == 0 and index:
                raise Malformed("varint")
            return number, at + index + 1
    raise Malformed("varint")


def framed(message: bytes) -> bytes:
    """A message with its length before it, as most of libp2p's protocols send them."""
    return encode(len(message)) + message


def unframed(data: bytearray, most: int) -> bytes | None:
    """Take the first message with its length before it out of `data`; None while it is not complete. Raises Malformed when it
    would be longer than `most` bytes."""
    found = decode(data)
    if found is None:
        return None
    length, begin = found
    if length > most:
        raise Malformed("too long")
    if len(data) < begin + length:
        return None
    message = bytes(data[begin : begin + length])
    del data[: begin + length]
    return message

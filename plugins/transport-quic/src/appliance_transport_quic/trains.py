"""What passes between a node's worker and the carrier: LLP datagrams, many in one message of a SEQPACKET pair. Pure.

one datagram     L1 …                                          as it is, since every LLP datagram begins with those two bytes
a train          length of each (2 bytes) | datagrams          one behind the other; the last may be shorter
of a listener    address | one of the two above                to the carrier: where it goes to
                 address | address | one of the two above      from the carrier: where it came from, and which address of ours it
                                                               was sent to (no host if the socket has only one)
address          0xFFFF | n (1 byte) | host (n bytes of text) | port (2 bytes)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress
    from appliance.api.values import Octets

DATAGRAM: Final = 1150
"""Bytes of the longest LLP datagram in a DATAGRAM frame (RFC 9221, section 4). The UDP payload below has 82 more: 25 for a short
header with a connection ID of 20 bytes, 16 for the tag, 3 for the frame's type and length, and the rest for frames that qh3 puts
into the same packet, such as ACK: it gives the connection up when they do not leave the room."""
UDP_PAYLOAD: Final = 1232
"""Bytes of UDP payload: what every IPv6 path takes (1280 bytes, RFC 8200, section 5). QUIC demands 1200 of a path."""
LONGEST_TRAIN: Final = 65000
"""Bytes of datagrams in one message."""
ADDRESSED: Final = 0xFFFF
"""No datagram has this length, and none begins with it."""
MAGIC: Final = b"L1"
SHORTEST: Final = 24
"""Bytes of the shortest LLP datagram: a header alone."""

u16 = struct.Struct("!H")


def with_address(source: SocketAddress) -> bytes:
    """What stands before a listener's message: where it came from or goes to."""
    host = source[0].encode("ascii")
    return u16.pack(ADDRESSED) + bytes([len(host)]) + host + u16.pack(source[1])


def address(message: memoryview) -> tuple[SocketAddress, int]:
    """The address that a listener's message begins with, and where the rest begins. Raises ValueError if there is none."""
    if len(message) < 3 or u16.unpack_from(message)[0] != ADDRESSED:
        raise ValueError("no address")
    end = 3 + message[2]
    if len(message) < end + 2:
        raise ValueError("no address")
    return (str(message[3:end], "ascii"), u16.unpack_from(message, end)[0]), end + 2


def begins_as_one(message: Octets) -> bool:
    """Is it one datagram, and no train?"""
    return message[:2] == MAGIC  # type: ignore[comparison-overlap,unused-ignore]  # a memoryview compares by its bytes


def datagrams(message: Octets) -> list[bytes]:
    """The datagrams of a message without its address. What no LLP datagram can be is left out."""
    if begins_as_one(message):
        return [bytes(message)] if len(message) <= DATAGRAM else []
    if len(message) < 2:
        return []
    size = u16.unpack_from(message)[0]
    if not SHORTEST <= size <= DATAGRAM:
        return []
    return [bytes(message[at : at + size]) for at in range(2, len(message), size)]


def trains(queue: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Messages for these datagrams, in their order, each as the parts that make it up."""
    at, end = 0, len(queue)
    while at < end:
        size = len(queue[at])
        most = at + max(1, LONGEST_TRAIN // size)
        following = at + 1
        while following < min(end, most) and len(queue[following]) == size:
            following += 1
        if following < min(end, most) and len(queue[following]) < size:
            following += 1
        train = list(queue[at:following])
        yield train if len(train) == 1 and train[0][:2] == MAGIC else [u16.pack(size), *train]
        at = following

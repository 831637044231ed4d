"""UDP (RFC 768): ports, and what waits at them for an application.

 0                16               32
+----------------+----------------+
| source port    | destination    |
+----------------+----------------+
| length         | checksum       |
+----------------+----------------+
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.tcp.counted import Count, Counts
from appliance.tcp.ip import UDP, Packet, Refused, Writer, verify
from appliance.wire.entries import GSO_NONE

if TYPE_CHECKING:
    from appliance.api.values import Octets

HEADER_BYTES: Final = 8
CHECKSUM_AT: Final = 6
MOST_BYTES: Final = 63 * 1024
"""The longest datagram that is sent: it fits a record whole, as the overlay has no smaller packets."""
MOST_WAITING: Final = 256 * 1024
"""Bytes that wait at a port for its application; what comes then is dropped."""
EACH: Final = 256
"""What a waiting datagram counts beside its bytes."""

_HEADER = struct.Struct("!HHHH")


class Datagram(NamedTuple):
    """One, as it came."""

    source: bytes
    """The address, 4 or 16 bytes."""
    source_port: int
    destination: bytes
    destination_port: int
    data: bytes


def parse(packet: Packet) -> Iterator[Datagram]:
    """The datagrams in an IP packet: several if it is a train of them. Raises Refused."""
    octets = packet.payload
    if len(octets) < HEADER_BYTES:
        raise Refused(Count.MALFORMED)
    source_port, destination_port, length, checksum = _HEADER.unpack_from(octets)
    if checksum or len(packet.source) > 4:  # in IPv4 a datagram may do without
        verify(packet, HEADER_BYTES)
    if not HEADER_BYTES <= length <= len(octets):
        raise Refused(Count.MALFORMED)
    data = octets[HEADER_BYTES:length]
    each = packet.segment_bytes or len(data) or 1
    for at in range(0, len(data) or 1, each):
        yield Datagram(packet.source, source_port, packet.destination, destination_port, bytes(data[at : at + each]))


def entry(source: bytes, source_port: int, destination: bytes, destination_port: int, data: Octets) -> bytes:
    """The entry of one."""
    writer = Writer(source, destination, UDP, CHECKSUM_AT)
    length = HEADER_BYTES + len(data)
    header = _HEADER.pack(source_port, destination_port, length, writer.partial(length))
    return writer.head(length, GSO_NONE) + header + bytes(data)


class UdpPort:
    """A port that an application has; with `peer` only for that address and port. It sends from the address `local`; None: from
    whichever suits."""

    __slots__ = ("_counts", "_held", "local", "number", "peer", "received")

    def __init__(self, number: int, counts: Counts, peer: tuple[bytes, int] | None = None, local: bytes | None = None) -> None:
        self.number = number
        self.peer = peer
        self.local = local
        self.received: deque[Datagram] = deque()
        self._held = 0
        self._counts = counts

    def take(self, datagram: Datagram) -> bool:
        """Let it wait for the application. False: it was dropped."""
        cost = len(datagram.data) + EACH
        if self._held + cost > MOST_WAITING:
            self._counts[Count.QUEUE_FULL] += 1
            return False
        self._held += cost
        self.received.append(datagram)
        return True

    def pop(self) -> Datagram:
        """The application takes the oldest."""
        datagram = self.received.popleft()
        self._held -= len(datagram.data) + EACH
        return datagram

"""IPv4 and IPv6 headers behind virtio headers (`wire.entries`), read and written.

What is written leaves its transport checksum to be filled in (NEEDS_CSUM): the field holds the sum of the pseudo-header, and
whoever takes the packet out of the overlay finishes it, as for packets of the kernel. What is read with that flag is believed:
the overlay has authenticated it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.tcp.counted import Count
from appliance.wire.checksum import word_sum
from appliance.wire.entries import GSO_NONE, NEEDS_CSUM, NO_VNET, VNET, VNET_BYTES

if TYPE_CHECKING:
    from appliance.api.values import Octets

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58
V4_BYTES: Final = 20
V6_BYTES: Final = 40
HOPS: Final = 64
_FRAGMENT: Final = 44
_EXTENSIONS: Final = frozenset({0, 43, 60})  # hop-by-hop options, routing, destination options
_MOST_EXTENSIONS: Final = 8
"""No kernel sends a packet with more extension headers than this."""
_DONT_FRAGMENT: Final = 0x4000  # which allows for an identification of 0 (RFC 6864, 4.1)

_V4 = struct.Struct("!BBHHHBBH")
_V6 = struct.Struct("!IHBB")
_U16 = struct.Struct("!H")


class Refused(Exception):
    """A packet that is dropped. The argument says why."""

    def __init__(self, why: Count) -> None:
        super().__init__(why)
        self.why = why


class Packet(NamedTuple):
    """An IP packet that is whole."""

    source: bytes
    """4 or 16 bytes."""
    destination: bytes
    protocol: int
    payload: memoryview
    """From the transport header on."""
    trusted: bool
    """Its checksum was left to us and need not be looked at."""
    segment_bytes: int
    """Of a super-packet: the payload bytes of each of its parts, else 0."""


def parse(entry: memoryview) -> Packet:
    """A packet behind its virtio header. Raises Refused."""
    if len(entry) < VNET_BYTES + V4_BYTES:
        raise Refused(Count.MALFORMED)
    flags, gso, _, gso_size, _, _ = VNET.unpack_from(entry)
    ip = entry[VNET_BYTES:]
    version = ip[0] >> 4
    trusted, size = bool(flags & NEEDS_CSUM), gso_size if gso != GSO_NONE else 0
    if version == 4:
        return _parse_v4(ip, trusted, size)
    if version == 6:
        return _parse_v6(ip, trusted, size)
    raise Refused(Count.MALFORMED)


def _parse_v4(ip: memoryview, trusted: bool, size: int) -> Packet:
    start = (ip[0] & 15) * 4
    (total,) = _U16.unpack_from(ip, 2)
    if not V4_BYTES <= start <= total <= len(ip):
        raise Refused(Count.MALFORMED)
    if word_sum(ip[:start]) != 0xFFFF:
        raise Refused(Count.CHECKSUM)
    if (ip[6] << 8 | ip[7]) & 0x3FFF:
        raise Refused(Count.FRAGMENT)
    return Packet(bytes(ip[12:16]), bytes(ip[16:20]), ip[9], ip[start:total], trusted, size)


def _parse_v6(ip: memoryview, trusted: bool, size: int) -> Packet:
    if len(ip) < V6_BYTES:
        raise Refused(Count.MALFORMED)
    end = V6_BYTES + _U16.unpack_from(ip, 4)[0]
    if end > len(ip):
        raise Refused(Count.MALFORMED)
    protocol, at = ip[6], V6_BYTES
    for _ in range(_MOST_EXTENSIONS):
        if protocol not in _EXTENSIONS:
            break
        if at + 8 > end:
            raise Refused(Count.MALFORMED)
        protocol, at = ip[at], at + (ip[at + 1] + 1) * 8
    if at > end:
        raise Refused(Count.MALFORMED)
    if protocol == _FRAGMENT:
        raise Refused(Count.FRAGMENT)
    return Packet(bytes(ip[8:24]), bytes(ip[24:40]), protocol, ip[at:end], trusted, size)


def verify(packet: Packet, least: int, *, pseudo: bool = True) -> None:
    """Are there `least` bytes of a transport header, and is its checksum right? Raises Refused."""
    if len(packet.payload) < least:
        raise Refused(Count.MALFORMED)
    if packet.trusted:
        return
    total = word_sum(packet.payload)
    if pseudo:
        total += pseudo_sum(packet.source, packet.destination, packet.protocol) + len(packet.payload)
    if total % 0xFFFF:
        raise Refused(Count.CHECKSUM)


def pseudo_sum(source: bytes, destination: bytes, protocol: int) -> int:
    """Of the pseudo-header but for the length (RFC 9293, 3.1; RFC 8200, 8.1); not folded."""
    return word_sum(source + destination) + protocol


class Writer:
    """Writes the headers of packets from one address to another, of one transport protocol. `checksum_at`: where in the transport
    header its checksum is; -1: it is there already, and not left to others."""

    __slots__ = ("_addresses", "_checksum_at", "_protocol", "_sum", "_v4", "pseudo")

    def __init__(self, source: bytes, destination: bytes, protocol: int, checksum_at: int = -1) -> None:
        self._v4 = len(source) == 4
        self._addresses = source + destination
        self._protocol = protocol
        self._checksum_at = checksum_at
        self.pseudo = pseudo_sum(source, destination, protocol)
        self._sum = 0x4500 + _DONT_FRAGMENT + (HOPS << 8 | protocol) + word_sum(self._addresses)

    @property
    def header_bytes(self) -> int:
        """Of IP."""
        return V4_BYTES if self._v4 else V6_BYTES

    def partial(self, length: int) -> int:
        """What stands in the checksum field of a transport packet of `length` bytes that leaves its checksum to others."""
        return (self.pseudo + length) % 0xFFFF or 0xFFFF

    def head(self, length: int, gso: int = GSO_NONE, segment_bytes: int = 0, transport_bytes: int = 0) -> bytes:
        """Virtio and IP header of a transport packet of `length` bytes, its header of `transport_bytes` included."""
        start = self.header_bytes
        vnet = NO_VNET
        if self._checksum_at >= 0:
            described = start + transport_bytes if gso else 0
            vnet = VNET.pack(NEEDS_CSUM, gso, described, segment_bytes, start, self._checksum_at)
        if self._v4:
            total = V4_BYTES + length
            checksum = 0xFFFF - ((self._sum + total) % 0xFFFF or 0xFFFF)
            fields = _V4.pack(0x45, 0, total, 0, _DONT_FRAGMENT, HOPS, self._protocol, checksum)
        else:
            fields = _V6.pack(6 << 28, length, self._protocol, HOPS)
        return vnet + fields + self._addresses


def packet(source: bytes, destination: bytes, protocol: int, payload: Octets) -> bytes:
    """A whole entry whose transport checksum is filled in already."""
    return Writer(source, destination, protocol).head(len(payload)) + bytes(payload)

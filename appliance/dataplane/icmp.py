"""ICMP errors about inner packets that could not go on: "time exceeded" from a hub, and "too big". Off the hot path.

    +---------------+-----------+---------------------+
    | type          | code      | checksum            |
    +---------------+-----------+---------------------+
    | 0; "too big" in IPv4: 0   | MTU; in IPv6 the MTU in all four bytes
    +---------------------------+---------------------+
    | the packet, as much as fits 576 (IPv6: 1280) bytes

IPv4: RFC 792, types 11 and 3 (code 4), sent if RFC 1122, 3.2.2 allows it. IPv6: RFC 4443, types 3 and 2, sent if its section 2.4
allows it, with a checksum that covers the pseudo-header as well.

An error comes from one of this node's own addresses. A node without an address of the packet's family sends none.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterable
from typing import Final

from appliance.protocol.admission import TokenBucket
from appliance.wire.checksum import word_sum
from appliance.wire.entries import NO_VNET, VNET_BYTES

ERRORS_PER_SECOND: Final = 50
"""Chosen: three traceroutes at once (16 probes each) are answered, and a routing loop is not made worse."""
MAX_V4_BYTES: Final = 576  # RFC 1812, 4.3.2.3
MAX_V6_BYTES: Final = 1280  # RFC 4443, 3.1 to 3.3
V4_HEADER: Final = 20
V6_HEADER: Final = 40
ICMP_HEADER: Final = 8
CONTROL: Final = 0xC0  # precedence of errors: internetwork control (RFC 1812, 4.3.2.5)
DONT_FRAGMENT: Final = 0x4000  # which allows for an identification of 0 (RFC 6864, 4.1)
HOPS: Final = 64

_ICMP, _ICMPV6, _FRAGMENT = 1, 58, 44
_EXTENSIONS = frozenset({0, 43, 60})  # hop-by-hop options, routing, destination options
_V4_ERRORS = frozenset({3, 4, 5, 11, 12})

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class Icmp:
    """Makes the errors of this node. `limited()` is called for each error that would be one too many in its second."""

    __slots__ = ("_bucket", "_limited", "_milliseconds", "_own", "_seconds")

    def __init__(self, limited: Callable[[], None]) -> None:
        self._limited = limited
        self._own: tuple[Interface, ...] = ()
        self._bucket = TokenBucket(ERRORS_PER_SECOND, ERRORS_PER_SECOND, 0.0)
        self._seconds = 0.0
        self._milliseconds = 0

    def use(self, own: Iterable[Interface]) -> None:
        """These are this node's addresses inside the overlay."""
        self._own = tuple(own)

    def time_exceeded(self, entry: memoryview, now: int) -> bytes | None:
        """The answer to a packet whose hops are used up: virtio header and ICMP packet, or None. `entry` has a virtio header in
        front; `now` is the pipeline's clock in milliseconds."""
        return self._error(entry, now, (11, 0), (3, 0), 0)

    def too_big(self, entry: memoryview, mtu_bytes: int, now: int) -> bytes | None:
        """The same for a packet that is longer than `mtu_bytes`, the most that can be carried."""
        return self._error(entry, now, (3, 4), (2, 0), mtu_bytes)

    def _error(self, entry: memoryview, now: int, v4: tuple[int, int], v6: tuple[int, int], value: int) -> bytes | None:
        packet = bytes(entry[VNET_BYTES : VNET_BYTES + MAX_V6_BYTES])
        old = packet[0] < 0x60
        if not (_answerable_v4(packet) if old else _answerable_v6(packet)):
            return None
        to = ipaddress.ip_address(packet[12:16] if old else packet[8:24])
        source = self._source(to)
        if source is None:
            return None
        if not self._bucket.take(self._clock(now)):
            self._limited()
            return None
        make = _error_v4 if old else _error_v6
        return NO_VNET + make(source.packed, to.packed, *(v4 if old else v6), value, packet)

    def _source(self, to: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Our address in the receiver's network; if there is none, our first of its family."""
        own = [interface for interface in self._own if interface.version == to.version]
        near = [interface for interface in own if to in interface.network]
        return next((interface.ip for interface in near + own), None)

    def _clock(self, now: int) -> float:
        """The pipeline's clock as seconds that only grow. (It begins again at 0 after 2^32 milliseconds.)"""
        self._seconds += (now - self._milliseconds & 0xFFFFFFFF) / 1000
        self._milliseconds = now
        return self._seconds


def _answerable_v4(packet: bytes) -> bool:
    """No error is sent about a later fragment, a packet to or from more than one host, or another error (RFC 1122, 3.2.2)."""
    start = (packet[0] & 15) * 4
    offset = (packet[6] << 8 | packet[7]) & 0x1FFF
    if offset or len(packet) < start + ICMP_HEADER:
        return False
    if not 0 < packet[12] < 224 or packet[12] == 127 or packet[16] >= 224:
        return False
    return packet[9] != _ICMP or packet[start] not in _V4_ERRORS


def _answerable_v6(packet: bytes) -> bool:
    """The same by RFC 4443, 2.4 (e)."""
    if packet[8] == 0xFF or packet[24] == 0xFF or packet[8:23] == bytes(15):  # multicast, unspecified, loopback
        return False
    following, at = packet[6], V6_HEADER
    while following in _EXTENSIONS or following == _FRAGMENT:
        if len(packet) < at + 8 or (following == _FRAGMENT and (packet[at + 2] << 8 | packet[at + 3]) & 0xFFF8):
            return False
        length = 8 if following == _FRAGMENT else (packet[at + 1] + 1) * 8
        following, at = packet[at], at + length
    return len(packet) > at and (following != _ICMPV6 or packet[at] >= 128)


def _error_v4(source: bytes, to: bytes, kind: int, code: int, value: int, packet: bytes) -> bytes:
    body = bytearray(struct.pack("!BBHI", kind, code, 0, value) + packet[: MAX_V4_BYTES - V4_HEADER - ICMP_HEADER])
    struct.pack_into("!H", body, 2, ~word_sum(body) & 0xFFFF)
    length = V4_HEADER + len(body)
    header = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, CONTROL, length, 0, DONT_FRAGMENT, HOPS, _ICMP, 0, source, to))
    struct.pack_into("!H", header, 10, ~word_sum(header) & 0xFFFF)
    return bytes(header + body)


def _error_v6(source: bytes, to: bytes, kind: int, code: int, value: int, packet: bytes) -> bytes:
    body = bytearray(struct.pack("!BBHI", kind, code, 0, value) + packet[: MAX_V6_BYTES - V6_HEADER - ICMP_HEADER])
    pseudo = source + to + struct.pack("!II", len(body), _ICMPV6)
    struct.pack_into("!H", body, 2, ~word_sum(pseudo + body) & 0xFFFF)
    return struct.pack("!IHBB16s16s", 0x60000000 | CONTROL << 20, len(body), _ICMPV6, HOPS, source, to) + bytes(body)

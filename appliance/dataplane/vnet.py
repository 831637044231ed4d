"""The virtio header in front of each inner packet (`wire.entries` draws it), and super-packets cut into ordinary ones where the
kernel cannot.

A super-packet is one TCP segment or UDP datagram train of up to 64 KiB, which the kernel's offloads make and take whole. An
ordinary packet may leave its checksum to whoever takes it. Either header comes from the peer, so `settle` judges it before the
kernel sees it: the kernel writes the checksum where the header says, and must not be made to write it over an address that was
judged already. Kernels older than 6.2 take no UDP trains (USO); for those, and for a TUN without virtio headers, `split` does in
software what the offload would have done.
"""

from __future__ import annotations

import struct
from typing import Final

from appliance.wire.checksum import word_sum
from appliance.wire.entries import (
    GSO_ECN,
    GSO_NONE,
    GSO_TCPV4,
    GSO_TCPV6,
    GSO_UDP_L4,
    NEEDS_CSUM,
    NO_VNET,
    VNET,
    VNET_BYTES,
)

MIN_GSO_SIZE: Final = 48
"""The smallest segment accepted: below any real MSS (RFC 879 gives 536). A peer cannot make us send a storm of tiny packets."""

_TCP, _UDP = 6, 17
_SUM_AT: Final = {_TCP: 16, _UDP: 6}
"""Where the checksum is in the header of each protocol."""
_TRANSPORT_BYTES: Final = {_TCP: 20, _UDP: 8}
_TUNNELS: Final = frozenset({4, 41, 47})
"""IPv4 and IPv6 in IP, and GRE. In these and in UDP the kernel leaves the checksum of the packet inside to whoever sends it."""
_FRAGMENT: Final = 44
_EXTENSIONS: Final = frozenset({0, 43, 60})  # hop-by-hop options, routing, destination options
_MOST_EXTENSIONS: Final = 8
"""No kernel sends a packet with more extension headers than this."""
_NOTHING: Final = 59  # no next header (RFC 8200, 4.7)
_FIN_PSH = 0x09
_CWR = 0x80

CSUM_ONLY: Final = NEEDS_CSUM << 8 | GSO_NONE
"""Flags and GSO type, read as one number, of an ordinary packet whose checksum the kernel is to fill in."""


def _own_sums(start: int) -> tuple[int, ...]:
    """For each protocol, where its checksum begins and is (read as one big-endian number), behind IP headers of `start` bytes.
    -1: it has none."""
    return tuple(start << 24 | _SUM_AT[protocol] << 8 if protocol in _SUM_AT else -1 for protocol in range(256))


OWN_SUMS_V4: Final = _own_sums(20)
OWN_SUMS_V6: Final = _own_sums(40)
"""What nearly all packets say, so that they need no call."""


def settle(entry: memoryview) -> bool:
    """Judge the virtio header of a packet from a peer, before the kernel sees it. False: the kernel may not have it.

    A checksum that is not the packet's own does not go to the kernel. Kernels from 6.17 on leave the checksum of a packet inside
    a tunnel to the device: it is filled in here. Any other is left as it is.
    """
    flags, gso, _, _, start, offset = VNET.unpack_from(entry)
    if gso:
        return acceptable(entry)
    if not flags & NEEDS_CSUM:
        return True
    ip = entry[VNET_BYTES:]
    protocol, at = transport(ip)
    own = protocol in _SUM_AT and start == at and offset == _SUM_AT[protocol]
    if own and len(ip) >= at + _TRANSPORT_BYTES[protocol]:
        return True
    inside = at + 8 if protocol == _UDP else at if protocol in _TUNNELS else len(ip)
    if start >= inside and start + offset + 2 <= len(ip):
        _put_sum(ip, start, offset, ~word_sum(ip[start:]) & 0xFFFF or 0xFFFF)
    entry[:VNET_BYTES] = NO_VNET
    return True


def acceptable(entry: memoryview) -> bool:
    """Does the virtio header of a super-packet agree with the packet, and are its headers all there?"""
    flags, gso, hdr_len, gso_size, start, offset = VNET.unpack_from(entry)
    kind = gso & ~GSO_ECN
    ip = memoryview(entry)[VNET_BYTES:]
    protocol, at = transport(ip)
    if kind in (GSO_TCPV4, GSO_TCPV6):
        if (ip[0] < 0x60) != (kind == GSO_TCPV4) or protocol != _TCP or len(ip) < at + 20:
            return False
        header = (ip[at + 12] >> 4) * 4
        if header < 20:
            return False
    elif gso == GSO_UDP_L4 and protocol == _UDP:
        header = 8
    else:
        return False
    ends = at + header < len(ip) and hdr_len <= len(ip)
    return ends and bool(flags & NEEDS_CSUM) and start == at and offset == _SUM_AT[protocol] and gso_size >= MIN_GSO_SIZE


def transport(ip: memoryview) -> tuple[int, int]:
    """The protocol that an IP packet carries, and where its header begins. `_NOTHING` for a fragment, or if it cannot be
    found."""
    if ip[0] < 0x60:
        at = (ip[0] & 15) * 4
        whole = not (ip[6] << 8 | ip[7]) & 0x3FFF and 20 <= at <= len(ip)
        return (ip[9] if whole else _NOTHING), at
    protocol, at = ip[6], 40
    for _ in range(_MOST_EXTENSIONS):
        if protocol not in _EXTENSIONS:
            return (_NOTHING if protocol == _FRAGMENT else protocol), at
        if len(ip) < at + 8:
            break
        protocol, at = ip[at], at + (ip[at + 1] + 1) * 8
    return _NOTHING, at


def split(entry: memoryview) -> list[bytes]:
    """The ordinary packets (each behind an empty virtio header) of an acceptable super-packet, with their checksums.

    An ordinary packet comes back alone, its checksum filled in if the header asks for that.
    """
    flags, gso, _, gso_size, csum_start, csum_offset = VNET.unpack_from(entry)
    packet = bytes(memoryview(entry)[VNET_BYTES:])
    if not flags & NEEDS_CSUM:
        return [bytes(entry)]
    if csum_start + csum_offset + 2 > len(packet):
        return [NO_VNET + packet]
    if gso & ~GSO_ECN == GSO_NONE:
        return [NO_VNET + _finish(bytearray(packet), csum_start, csum_offset)]
    head = _headers(packet, gso, csum_start)
    segments = (_part(packet, head, at, gso_size, 1, csum_start, csum_offset) for at in range(head, len(packet), gso_size))
    return [NO_VNET + _finish(segment, csum_start, csum_offset) for segment in segments]


def cut(entry: bytes | memoryview, most: int) -> list[bytes | memoryview]:
    """Smaller super-packets of at most `most` bytes (or of one segment each) instead of this one. An ordinary packet stays as it
    is."""
    flags, gso, hdr_len, gso_size, csum_start, csum_offset = VNET.unpack_from(entry)
    if len(entry) <= most or gso & ~GSO_ECN == GSO_NONE or not gso_size:
        return [entry]
    packet = bytes(memoryview(entry)[VNET_BYTES:])
    head = _headers(packet, gso, csum_start)
    if head >= len(packet):
        return [entry]
    segments = max(1, (most - VNET_BYTES - head) // gso_size)
    pieces: list[bytes | memoryview] = []
    for at in range(head, len(packet), segments * gso_size):
        piece = _part(packet, head, at, segments * gso_size, segments, csum_start, csum_offset)
        single = len(piece) - head <= gso_size
        kind = GSO_NONE if single else gso if at == head else gso & ~GSO_ECN
        _put_sum(piece, csum_start, csum_offset, word_sum(_pseudo_header(piece, csum_start, csum_offset)))
        pieces.append(VNET.pack(flags, kind, hdr_len, 0 if single else gso_size, csum_start, csum_offset) + piece)
    return pieces


def _headers(packet: bytes, gso: int, transport: int) -> int:
    """Bytes of IP and transport headers."""
    return transport + ((packet[transport + 12] >> 4) * 4 if gso & ~GSO_ECN != GSO_UDP_L4 else 8)


def _part(packet: bytes, head: int, at: int, size: int, segments: int, transport: int, csum_offset: int) -> bytearray:
    """The headers of a super-packet with the payload packet[at : at + size], which is `segments` segments; no transport checksum
    yet."""
    index = (at - head) // size * segments
    segment = bytearray(packet[:head] + packet[at : at + size])
    last = at + size >= len(packet)
    if segment[0] < 0x60:
        struct.pack_into("!H", segment, 2, len(segment))
        struct.pack_into("!H", segment, 4, (struct.unpack_from("!H", packet, 4)[0] + index) & 0xFFFF)
        struct.pack_into("!H", segment, 10, 0)
        struct.pack_into("!H", segment, 10, ~word_sum(segment[:transport]) & 0xFFFF)
    else:
        struct.pack_into("!H", segment, 4, len(segment) - 40)
    if csum_offset == 16:
        sequence = struct.unpack_from("!I", packet, transport + 4)[0]
        struct.pack_into("!I", segment, transport + 4, (sequence + at - head) & 0xFFFFFFFF)
        if not last:
            segment[transport + 13] &= ~_FIN_PSH
        if index:
            segment[transport + 13] &= ~_CWR
    else:
        struct.pack_into("!H", segment, transport + 4, len(segment) - transport)
    return segment


def _finish(packet: bytearray, transport: int, csum_offset: int) -> bytes:
    """Fill in the transport checksum (RFC 1071) over the pseudo-header and everything from `transport` on."""
    _put_sum(packet, transport, csum_offset, 0)
    checksum = ~word_sum(_pseudo_header(packet, transport, csum_offset) + bytes(packet[transport:])) & 0xFFFF
    if not checksum and csum_offset == 6:
        checksum = 0xFFFF
    _put_sum(packet, transport, csum_offset, checksum)
    return bytes(packet)


def _pseudo_header(packet: bytearray, transport: int, csum_offset: int) -> bytes:
    addresses = packet[12:20] if packet[0] < 0x60 else packet[8:40]
    protocol = _TCP if csum_offset == _SUM_AT[_TCP] else _UDP
    return bytes(addresses) + struct.pack("!II", len(packet) - transport, protocol)


def _put_sum(packet: bytearray | memoryview, transport: int, csum_offset: int, checksum: int) -> None:
    struct.pack_into("!H", packet, transport + csum_offset, checksum)

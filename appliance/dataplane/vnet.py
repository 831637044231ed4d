"""The virtio-net header in front of each inner packet, and super-packets cut into ordinary ones where the kernel cannot.

    0      1      2        4         6            8            10      (linux/virtio_net.h, legacy layout, little-endian)
    +------+------+--------+---------+------------+------------+
    |flags | gso  | hdr_len| gso_size| csum_start | csum_offset|
    +------+------+--------+---------+------------+------------+

A super-packet is one TCP segment or UDP datagram train of up to 64 KiB, which the kernel's offloads make and take whole. Its
header comes from the peer, so it is checked before the kernel sees it. Kernels older than 6.2 take no UDP trains (USO); for
those, and for a TUN without virtio headers, `split` does in software what the offload would have done.
"""

from __future__ import annotations

import struct
from typing import Final

VNET_BYTES: Final = 10
NEEDS_CSUM: Final = 1
GSO_NONE, GSO_TCPV4, GSO_UDP, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 0, 1, 3, 4, 5, 0x80
MIN_GSO_SIZE: Final = 48
"""Smallest segment accepted: below any real MSS (RFC 879 gives 536), so a peer cannot make us produce a storm of tiny packets."""

_FIELDS = struct.Struct("<BBHHHH")
_NO_VNET = bytes(VNET_BYTES)
_TCP, _UDP = 6, 17
_FIN_PSH = 0x09
_CWR = 0x80


def acceptable(entry: memoryview) -> bool:
    """Whether the virtio header of a super-packet agrees with the packet behind it, so that the kernel may have it."""
    flags, gso, _, gso_size, csum_start, csum_offset = _FIELDS.unpack_from(entry)
    kind = gso & ~GSO_ECN
    ip = memoryview(entry)[VNET_BYTES:]
    v4 = ip[0] < 0x60
    start = (ip[0] & 15) * 4 if v4 else 40
    protocol = ip[9] if v4 else ip[6]
    if kind in (GSO_TCPV4, GSO_TCPV6):
        if v4 != (kind == GSO_TCPV4) or protocol != _TCP or csum_offset != 16 or len(ip) < start + 20:
            return False
    elif kind == GSO_UDP_L4:
        if protocol != _UDP or csum_offset != 6 or len(ip) < start + 8:
            return False
    else:
        return False
    return bool(flags & NEEDS_CSUM) and csum_start == start and gso_size >= MIN_GSO_SIZE


def split(entry: memoryview) -> list[bytes]:
    """The ordinary packets (each behind an empty virtio header) that an acceptable super-packet stands for, checksums filled in.

    A packet that is none comes back alone, with its checksum completed when the header asks for that.
    """
    flags, gso, _, gso_size, csum_start, csum_offset = _FIELDS.unpack_from(entry)
    packet = bytes(memoryview(entry)[VNET_BYTES:])
    if not flags & NEEDS_CSUM:
        return [bytes(entry)]
    if csum_start + csum_offset + 2 > len(packet):
        return []
    if gso & ~GSO_ECN == GSO_NONE:
        return [_NO_VNET + _finish(bytearray(packet), csum_start, csum_offset)]
    head = _headers(packet, gso, csum_start)
    segments = (_part(packet, head, at, gso_size, 1, csum_start, csum_offset) for at in range(head, len(packet), gso_size))
    return [_NO_VNET + _finish(segment, csum_start, csum_offset) for segment in segments]


def cut(entry: bytes | memoryview, most: int) -> list[bytes | memoryview]:
    """The smaller super-packets of at most `most` bytes (or one segment) that stand for the same; an ordinary packet stays."""
    flags, gso, hdr_len, gso_size, csum_start, csum_offset = _FIELDS.unpack_from(entry)
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
        _put_sum(piece, csum_start, csum_offset, word_sum(_pseudo_header(piece, csum_start)))
        pieces.append(_FIELDS.pack(flags, kind, hdr_len, 0 if single else gso_size, csum_start, csum_offset) + piece)
    return pieces


def _headers(packet: bytes, gso: int, transport: int) -> int:
    """Bytes of IP and transport headers."""
    return transport + ((packet[transport + 12] >> 4) * 4 if gso & ~GSO_ECN != GSO_UDP_L4 else 8)


def _part(packet: bytes, head: int, at: int, size: int, segments: int, transport: int, csum_offset: int) -> bytearray:
    """A super-packet's headers with the payload packet[at : at + size], of so many `segments`; without transport checksum."""
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
    checksum = ~word_sum(_pseudo_header(packet, transport) + bytes(packet[transport:])) & 0xFFFF
    if not checksum and csum_offset == 6:
        checksum = 0xFFFF
    _put_sum(packet, transport, csum_offset, checksum)
    return bytes(packet)


def _pseudo_header(packet: bytearray, transport: int) -> bytes:
    v4 = packet[0] < 0x60
    addresses = packet[12:20] if v4 else packet[8:40]
    protocol = packet[9] if v4 else packet[6]
    return bytes(addresses) + struct.pack("!II", len(packet) - transport, protocol)


def _put_sum(packet: bytearray, transport: int, csum_offset: int, checksum: int) -> None:
    struct.pack_into("!H", packet, transport + csum_offset, checksum)


def word_sum(octets: bytes | bytearray) -> int:
    """The one's complement sum of 16-bit words."""
    total: int = sum(struct.unpack(f"!{(len(octets) + 1) // 2}H", bytes(octets) + bytes(len(octets) & 1)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total

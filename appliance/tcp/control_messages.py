"""ICMP (RFC 792, 1122) and ICMPv6 (RFC 4443): echo is answered, "too big" is read, "port unreachable" is said.

 0       8       16              32
+-------+-------+----------------+
| type  | code  | checksum       |
+-------+-------+----------------+
| echo: identifier, number; too big: MTU (IPv4: in the last two bytes)
+--------------------------------+
| echo: data; errors: the packet, as much as fits
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.tcp import ip
from appliance.tcp.counted import Count
from appliance.tcp.ip import ICMP, ICMPV6, TCP, V4_BYTES, V6_BYTES, Packet, Refused
from appliance.wire.checksum import word_sum
from appliance.wire.entries import VNET_BYTES

if TYPE_CHECKING:
    from appliance.api.values import Octets

MOST_QUOTED: Final = 508
"""Bytes of a packet that an error quotes, so that it has at most 576 in IPv4 (RFC 1812, 4.3.2.3)."""
LEAST_MTU: Final = {4: 576, 6: 1280}
"""What every path takes, so that no smaller one is believed (RFC 8200, 5; RFC 1191 has 68, which nobody needs)."""
_HEADER = struct.Struct("!BBHI")
_PORTS = struct.Struct("!HHI")
_V4_ECHO, _V4_REPLY, _V4_UNREACHABLE = 8, 0, 3
_V6_ECHO, _V6_REPLY, _V6_UNREACHABLE, _V6_TOO_BIG = 128, 129, 1, 2
_PORT, _V6_PORT, _FRAGMENTATION_NEEDED = 3, 4, 4


class TooBig(NamedTuple):
    """A router says that a segment of ours was too big."""

    destination: bytes
    """Of that segment."""
    source_port: int
    destination_port: int
    sequence: int
    payload_bytes: int
    """What packets to there may have behind their IP header."""


def answer(packet: Packet) -> bytes | TooBig | None:
    """What to do about a message: the entry of an answer, what it says, or nothing. Raises Refused."""
    old = packet.protocol == ICMP
    ip.verify(packet, _HEADER.size, pseudo=not old)
    kind, code, _, value = _HEADER.unpack_from(packet.payload)
    if kind == (_V4_ECHO if old else _V6_ECHO):
        reply = _V4_REPLY if old else _V6_REPLY
        return _message(packet.destination, packet.source, reply, 0, value, packet.payload[_HEADER.size :])
    if (kind, code) == (_V4_UNREACHABLE, _FRAGMENTATION_NEEDED) if old else kind == _V6_TOO_BIG:
        return _too_big(packet.payload[_HEADER.size :], value & 0xFFFF if old else value)
    return None


def _too_big(quoted: memoryview, mtu: int) -> TooBig | None:
    """None where it is not about TCP, or smaller than any path is."""
    if len(quoted) < V4_BYTES:
        raise Refused(Count.MALFORMED)
    version = quoted[0] >> 4
    if version == 4:
        start, protocol, to = (quoted[0] & 15) * 4, quoted[9], bytes(quoted[16:20])
    else:
        start, protocol, to = V6_BYTES, quoted[6] if len(quoted) >= V6_BYTES else 0, bytes(quoted[24:40])
    if protocol != TCP or len(quoted) < start + _PORTS.size or mtu < LEAST_MTU.get(version, 1 << 32):
        return None
    source_port, destination_port, sequence = _PORTS.unpack_from(quoted, start)
    return TooBig(to, source_port, destination_port, sequence, mtu - start)


def port_unreachable(packet: Packet) -> bytes:
    """The error about a datagram for a port that nobody has. (The IP header that it quotes is made anew: only its addresses,
    protocol and length count.)"""
    old = len(packet.source) == 4
    head = ip.Writer(packet.source, packet.destination, packet.protocol).head(len(packet.payload))
    quoted = head[VNET_BYTES:] + bytes(packet.payload[: MOST_QUOTED + 8 - len(head)])
    kind, code = (_V4_UNREACHABLE, _PORT) if old else (_V6_UNREACHABLE, _V6_PORT)
    return _message(packet.destination, packet.source, kind, code, 0, quoted)


def _message(source: bytes, destination: bytes, kind: int, code: int, value: int, rest: Octets) -> bytes:
    protocol = ICMP if len(source) == 4 else ICMPV6
    body = bytearray(_HEADER.pack(kind, code, 0, value) + bytes(rest))
    total = word_sum(body)
    if protocol == ICMPV6:
        total += ip.pseudo_sum(source, destination, protocol) + len(body)
    struct.pack_into("!H", body, 2, ~(total % 0xFFFF) & 0xFFFF)
    return ip.packet(source, destination, protocol, body)

"""What the body of an IP record (Data on channel 0) consists of: entries, one behind the other. Owns their layout and numbers.

     0        2      3      4         6          8            10             12
    +--------+------+------+---------+----------+------------+-------------+-----------+
    | length | flags| gso  | hdr_len | gso_size | csum_start | csum_offset | IP packet |
    | u16    | u8   | u8   | u16 le  | u16 le   | u16 le     | u16 le      |           |
    +--------+------+------+---------+----------+------------+-------------+-----------+
             |<----- struct virtio_net_hdr without num_buffers ----------->|
             |<--------------------------- length bytes ------------------------------>|

`length` is in network order, the virtio header little-endian (linux/virtio_net.h, legacy layout); all zero, it belongs to an
ordinary packet. Where a packet waits or is handed on it has its virtio header, and no length before that.
"""

from __future__ import annotations

import struct
from typing import Final

from appliance.wire.envelope import MAX_BODY_BYTES

LENGTH: Final = struct.Struct("!H")
LENGTH_BYTES: Final = LENGTH.size
VNET: Final = struct.Struct("<BBHHHH")
"""flags, GSO type, bytes of headers, bytes a segment, where the checksum begins, where it is from there."""
VNET_BYTES: Final = VNET.size
NO_VNET: Final = bytes(VNET_BYTES)
"""Of an ordinary packet with its checksum filled in."""
ENTRY_BYTES: Final = LENGTH_BYTES + VNET_BYTES

MAX_PACKET: Final = 65535
"""The longest IP packet, so the most that a device gives behind the virtio header."""
MAX_ENTRY: Final = MAX_BODY_BYTES - LENGTH_BYTES
"""Virtio header and packet that fit a record on their own, before the suite's tag takes its part."""
LEAST: Final = VNET_BYTES + 20
"""A virtio header with the shortest IP header."""

NEEDS_CSUM: Final = 1
"""Flag: the checksum is to be filled in by whoever gets the packet."""
GSO_NONE, GSO_TCPV4, GSO_UDP, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 0, 1, 3, 4, 5, 0x80
"""GSO types: what kind of super-packet it is; GSO_ECN may be added to one of TCP."""

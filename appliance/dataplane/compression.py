"""Compressing the entries of a record, each on its own. Pure, and hot for those who chose it; nobody else comes here.

    before   u16 length || virtio_net_hdr || IP packet
    after    u16 length || virtio_net_hdr || zstd frame of the IP packet     0x28 first, as no IP packet begins

An entry is a packet, or a super-packet of one flow. No byte of one entry ever helps to compress another: what the length of a
frame gives away, it gives away about that flow alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.dataplane.outbound import ENTRY_BYTES, LENGTH_BYTES, MAX_PACKET, VNET_BYTES
from appliance.wire.envelope import HEADER_BYTES, MAX_BODY_BYTES

if TYPE_CHECKING:
    from appliance.api.values import Octets

FRAME_START: Final = 0x28
"""First byte of a zstd frame (RFC 8878, 3.1.1) and of no IP packet."""
SMALLEST_PACKET: Final = 256
"""Shorter packets go as they are. Chosen: an acknowledgement or a line typed has hardly anything to save, and each costs 5 µs."""
WORTH: Final = 16
"""A frame must be shorter by a sixteenth of the packet (chosen), or undoing it would cost the receiver more than it saves."""
SMALLEST_FRAME: Final = 20
"""No entry is shorter than one with the shortest IP header: receivers drop such."""
DENSEST: Final = 32
"""No frame holds more than this many times its own length. Chosen: text seldom shrinks to less than a tenth, and a hub that opens
a few bytes into a flood for the next peer is a weapon. What would be denser is filled up."""
MAX_FRAMES: Final = MAX_BODY_BYTES // SMALLEST_PACKET
"""Frames a record: more packets worth one do not fit. Each costs 10 µs to open, whatever is in it."""

Squeeze = Callable[[memoryview, int], int]
"""`squeeze(tx, end)` compresses the entries in tx[24:end] in place; returns where they end now."""
Inflate = Callable[[memoryview, int], "memoryview | None"]
"""`inflate(entry, room)` is the entry (virtio header and packet) as it was, longer than it came by at most `room` bytes and good
until the next call. None if it is not a valid frame, or holds more."""


class Codec(NamedTuple):
    """Both directions. One serves all sessions of a worker, since nothing is remembered between two entries."""

    squeeze: Squeeze
    inflate: Inflate


def compile_codec(compress: Callable[[Octets], bytes], decompress: Callable[[Octets, int], bytes]) -> Codec:
    """Build a codec. `compress(packet)` makes a frame; `decompress(frame, most)` undoes one of at most `most` bytes, and raises
    otherwise before it costs anything."""
    put16 = struct.Struct("!H").pack_into
    get16 = struct.Struct("!H").unpack_from
    room = memoryview(bytearray(VNET_BYTES + MAX_PACKET))

    def squeeze(tx: memoryview, end: int) -> int:
        i = o = HEADER_BYTES
        while i < end:
            packet, following = i + ENTRY_BYTES, i + LENGTH_BYTES + get16(tx, i)[0]
            length = following - packet
            if length >= SMALLEST_PACKET:
                frame = compress(tx[packet:following])
                least = max(SMALLEST_FRAME, -(-length // DENSEST))
                if len(frame) < least:
                    frame = filled_up(frame, least)
                n = len(frame)
                if n <= length - length // WORTH:
                    tx[o : o + ENTRY_BYTES] = tx[i:packet]
                    put16(tx, o, VNET_BYTES + n)
                    o += ENTRY_BYTES + n
                    tx[o - n : o] = frame
                    i = following
                    continue
            if o != i:
                tx[o : o + following - i] = tx[i:following]
            o += following - i
            i = following
        return o

    def inflate(entry: memoryview, room_left: int) -> memoryview | None:
        frame = entry[VNET_BYTES:]
        try:
            packet = decompress(frame, min(MAX_PACKET, len(frame) + room_left, DENSEST * len(frame)))
        except Exception:  # noqa: BLE001  whatever the library raises means: no such frame
            return None
        n = VNET_BYTES + len(packet)
        if n <= len(entry):
            return None
        room[:VNET_BYTES] = entry[:VNET_BYTES]
        room[VNET_BYTES:n] = packet
        return room[:n]

    return Codec(squeeze, inflate)


def filled_up(frame: bytes, least: int) -> bytes:
    """The same frame with at least `least` bytes: behind its header come raw blocks of no bytes, three zeros each (RFC 8878,
    3.1.1.1 and 3.1.1.2)."""
    descriptor = frame[4]
    single = descriptor >> 5 & 1
    content_size = (single, 2, 4, 8)[descriptor >> 6]
    header = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + content_size
    return frame[:header] + bytes(-(-(least - len(frame)) // 3) * 3) + frame[header:]

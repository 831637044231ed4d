"""Compressing the entries of a record, each by itself. Pure, and hot for peers that agreed on it; others never come here.

    before   u16 length || virtio_net_hdr || IP packet
    after    u16 length || virtio_net_hdr || zstd frame of the IP packet     begins with 0x28: no IP packet does

An entry is a packet, or a super-packet of one flow. No byte of one entry helps to compress another. So the length of a frame
tells something about its own flow and about no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.wire.entries import ENTRY_BYTES, LENGTH, LENGTH_BYTES, MAX_PACKET, VNET_BYTES
from appliance.wire.envelope import HEADER_BYTES, MAX_BODY_BYTES

if TYPE_CHECKING:
    from appliance.api.values import Octets

FRAME_START: Final = 0x28
"""The first byte of a zstd frame (RFC 8878, 3.1.1). No IP packet begins with it."""
SMALLEST_PACKET: Final = 256
"""Shorter packets are not compressed. Chosen: there is hardly anything to save on an acknowledgement or a typed line, and each
try costs 5 µs."""
WORTH: Final = 16
"""A frame is used if it is shorter than the packet by a sixteenth (chosen). Otherwise the receiver would spend more than is
saved."""
SMALLEST_FRAME: Final = 20
"""A shorter frame is filled up: receivers drop entries that are shorter than one with the shortest IP header."""
DENSEST: Final = 32
"""A frame may hold this many times its own length, and no more. Chosen: text seldom shrinks to less than a tenth, and a hub must
not turn a few bytes of one peer into a flood for the next. A denser frame is filled up."""
MAX_FRAMES: Final = MAX_BODY_BYTES // SMALLEST_PACKET
"""Frames in one record: no more packets that are worth compressing fit. Opening a frame costs 10 µs, whatever is in it."""

Squeeze = Callable[[memoryview, int], int]
"""`squeeze(tx, end)` compresses the entries in tx[24:end] in place, and returns where they end now."""
Inflate = Callable[[memoryview, int], "memoryview | None"]
"""`inflate(entry, room)` gives the entry (virtio header and packet) as it was, at most `room` bytes longer than it came. It is
good until the next call. None if it is not a valid frame, or holds more."""


class Codec(NamedTuple):
    """Both directions. One codec serves all sessions of a worker, since it remembers nothing from one entry to the next."""

    squeeze: Squeeze
    inflate: Inflate


def compile_codec(compress: Callable[[Octets], bytes], decompress: Callable[[Octets, int], bytes]) -> Codec:
    """Build a codec. `compress(packet)` makes a frame. `decompress(frame, most)` undoes a frame of at most `most` bytes; it
    raises for any other, before it has cost anything."""
    put16, get16 = LENGTH.pack_into, LENGTH.unpack_from
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
    """The same frame, with at least `least` bytes. Raw blocks of no bytes (three zeros each) are put behind its header (RFC 8878,
    3.1.1.1 and 3.1.1.2)."""
    descriptor = frame[4]
    single = descriptor >> 5 & 1
    content_size = (single, 2, 4, 8)[descriptor >> 6]
    header = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + content_size
    return frame[:header] + bytes(-(-(least - len(frame)) // 3) * 3) + frame[header:]

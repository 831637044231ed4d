"""TCP segments (RFC 9293, 3.1) with the options that count: MSS, window scale and timestamps (RFC 7323), SACK (RFC 2018).

     0                16               32
    +----------------+----------------+
    | source port    | destination    |
    +----------------+----------------+
    | sequence number                 |
    +---------------------------------+
    | acknowledgement number          |
    +----+----+------+----------------+
    |off | 0  | flags| window         |
    +----+----+------+----------------+
    | checksum       | urgent pointer |
    +----------------+----------------+
    | options, 0 to 40 bytes          |
    +---------------------------------+

A super-packet is one segment of up to 64 KiB; the virtio header says how long its parts are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.tcp.counted import Count
from appliance.tcp.ip import TCP, Packet, Refused, Writer, verify
from appliance.wire.entries import GSO_NONE, GSO_TCPV4, GSO_TCPV6

if TYPE_CHECKING:
    from appliance.api.values import Octets

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
HEADER_BYTES: Final = 20
CHECKSUM_AT: Final = 16
STAMP_BYTES: Final = 12
"""Of the timestamps option, with what fills it up to words."""
DEFAULT_MSS: Final = {4: 536, 16: 1220}
"""Of a peer that names none, by the length of its address (RFC 9293, 3.7.1)."""
MOST_BLOCKS: Final = 3
"""SACK blocks that fit beside a timestamp."""

_HEADER = struct.Struct("!HHIIBBHHH")
_STAMP = struct.Struct("!HBBII")
_STAMPED = 0x0101
_BLOCK = struct.Struct("!II")
_U16 = struct.Struct("!H")
_PAIR = struct.Struct("!II")
_END, _NOP, _MSS, _SCALE, _SACK_OK, _SACK, _TIMES = 0, 1, 2, 3, 4, 5, 8
MOST_SCALE: Final = 14  # RFC 7323, 2.3


class Options(NamedTuple):
    """What a segment says beside its header."""

    mss: int = 0
    """0: nothing."""
    scale: int = -1
    """How far the sender's windows are shifted; -1: not at all, and neither may ours be."""
    sack_ok: bool = False
    blocks: tuple[tuple[int, int], ...] = ()
    """What the sender has beyond a gap: from, up to."""
    stamp: int = -1
    """The sender's timestamp; -1: none."""
    echo: int = 0
    """The timestamp of ours that it saw last."""


NO_OPTIONS: Final = Options()


class Segment(NamedTuple):
    """A segment as it came; numbers are those of the wire."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledgement: int
    flags: int
    window: int
    """Not shifted yet."""
    options: Options
    payload: memoryview

    @property
    def length(self) -> int:
        """In sequence space."""
        return len(self.payload) + (self.flags & SYN != 0) + (self.flags & FIN)


def parse(packet: Packet) -> Segment:
    """The segment in an IP packet. Raises Refused."""
    verify(packet, HEADER_BYTES)
    octets = packet.payload
    source, destination, sequence, acknowledgement, offset, flags, window, _, _ = _HEADER.unpack_from(octets)
    start = (offset >> 4) * 4
    if not HEADER_BYTES <= start <= len(octets):
        raise Refused(Count.MALFORMED)
    options = NO_OPTIONS if start == HEADER_BYTES else _options(octets[HEADER_BYTES:start])
    return Segment(source, destination, sequence, acknowledgement, flags, window, options, octets[start:])


def _options(octets: memoryview) -> Options:
    if len(octets) == STAMP_BYTES:
        filled, kind, length, stamp, echo = _STAMP.unpack(octets)
        if filled == _STAMPED and kind == _TIMES and length == 10:
            return Options(stamp=stamp, echo=echo)
    found: dict[int, memoryview] = {}
    at = 0
    while at < len(octets) and octets[at] != _END:
        if octets[at] == _NOP:
            at += 1
            continue
        length = octets[at + 1] if at + 1 < len(octets) else 0
        if length < 2 or at + length > len(octets):
            raise Refused(Count.MALFORMED)
        found[octets[at]] = octets[at + 2 : at + length]
        at += length
    return _understood(found)


def _understood(found: dict[int, memoryview]) -> Options:
    """Options of an unexpected length are as if they were not there."""
    empty = memoryview(b"")
    mss, scale, times, sack = (found.get(kind, empty) for kind in (_MSS, _SCALE, _TIMES, _SACK))
    stamp, echo = _PAIR.unpack(times) if len(times) == 8 else (-1, 0)
    return Options(
        mss=_U16.unpack(mss)[0] if len(mss) == 2 else 0,
        scale=min(scale[0], MOST_SCALE) if len(scale) == 1 else -1,
        sack_ok=_SACK_OK in found,
        blocks=tuple(_BLOCK.iter_unpack(sack)) if len(sack) % 8 == 0 else (),
        stamp=stamp,
        echo=echo,
    )


def syn_options(mss: int, scale: int, *, sack: bool, stamp: int, echo: int) -> bytes:
    """Of a SYN. A `scale` or `stamp` below 0 is left out."""
    made = struct.pack("!BBH", _MSS, 4, mss)
    if sack:
        made += bytes((_SACK_OK, 2))
    if stamp >= 0:
        made += (b"" if sack else b"\1\1") + struct.pack("!BBII", _TIMES, 10, stamp, echo)
    elif sack:
        made += b"\1\1"
    if scale >= 0:
        made += bytes((_NOP, _SCALE, 3, scale))
    return made


def stamp_option(stamp: int, echo: int) -> bytes:
    """Timestamps, as each segment has them once both sides want them."""
    return _STAMP.pack(_STAMPED, _TIMES, 10, stamp, echo)


def sack_option(blocks: Iterable[tuple[int, int]]) -> bytes:
    """At most MOST_BLOCKS of them; sequence numbers of any length."""
    packed = [_BLOCK.pack(start & 0xFFFFFFFF, end & 0xFFFFFFFF) for start, end in blocks]
    return bytes((_NOP, _NOP, _SACK, 2 + 8 * len(packed))) + b"".join(packed) if packed else b""


class Outgoing(NamedTuple):
    """A segment that is to be sent, without its ports and addresses."""

    sequence: int
    """Of any length: the wire has its last 32 bits."""
    acknowledgement: int
    flags: int
    window: int
    """As it stands in the header."""
    options: bytes = b""
    payload: Sequence[Octets] = ()
    length: int = 0
    """Of the payload."""
    segment_bytes: int = 0
    """At most so many payload bytes a packet; a longer payload makes a super-packet."""


class SegmentWriter:
    """Writes the entries of one flow."""

    __slots__ = ("_gso", "_ip", "_ports")

    def __init__(self, source: bytes, destination: bytes, source_port: int, destination_port: int) -> None:
        self._ip = Writer(source, destination, TCP, CHECKSUM_AT)
        self._ports = source_port, destination_port
        self._gso = GSO_TCPV4 if len(source) == 4 else GSO_TCPV6

    def write(self, out: Outgoing) -> bytes:
        """Virtio header, IP header and segment."""
        start = HEADER_BYTES + len(out.options)
        length = start + out.length
        super_packet = 0 < out.segment_bytes < out.length
        head = self._ip.head(length, self._gso if super_packet else GSO_NONE, out.segment_bytes if super_packet else 0, start)
        tcp = _HEADER.pack(
            *self._ports,
            out.sequence & 0xFFFFFFFF,
            out.acknowledgement & 0xFFFFFFFF,
            start << 2,
            out.flags,
            out.window,
            self._ip.partial(length),
            0,
        )
        return b"".join((head, tcp, out.options, *out.payload))


def unwrapped(number: int, near: int) -> int:
    """The sequence number of any length that is nearest to `near` and has these last 32 bits."""
    return near + ((number - near + 0x80000000 & 0xFFFFFFFF) - 0x80000000)

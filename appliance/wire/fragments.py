"""Handshake packets are cut into datagrams here and joined again, within bounds. (The transport's driver joins sealed records.)

All pieces but the last are equally long, so a piece's number tells its place. A message that is sent again keeps its number and
its bytes, so pieces that arrived the first time count. Each piece tells the length of the message and of a piece. Pieces that
disagree about those belong to different messages, so a forged piece does not keep the real ones out.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from appliance.errors import LocalFault, PeerFault
from appliance.wire.envelope import (
    FLAG_FRAGMENT,
    FLAG_LAST,
    HEADER_BYTES,
    Fields,
    fragment_header,
    pack,
    unpack,
)
from appliance.wire.faults import Fault

MAX_MESSAGE_BYTES = 16384
"""The longest handshake message taken: a ServerHello has 9 KB, 12 KB as JSON."""
MAX_PIECES = 64
"""The most pieces of a message."""
MIN_PIECE_BYTES = 256
"""A piece that is not the last has at least so many bytes, so that a stranger cannot fill our tables with few bytes."""
ENTRY_OVERHEAD_BYTES = 512
"""What an unfinished message costs besides its bytes. Measured with tracemalloc, rounded up."""


class Joined(NamedTuple):
    """A whole message."""

    body: bytes
    wire_bytes: int
    """Bytes of datagrams that it took, with headers and repetitions."""
    datagram_bytes: int
    """The longest of its datagrams."""


def split(kind: int, flags: int, stream: int, number: int, timestamp: int, body: bytes, datagram_bytes: int) -> list[bytes]:
    """The packets of message `number`, each at most `datagram_bytes` long, its header included."""
    room = datagram_bytes - HEADER_BYTES
    if len(body) <= room:
        return [pack(kind, flags, stream, number << 8, timestamp, len(body)) + body]
    count = -(-len(body) // room)
    if room < MIN_PIECE_BYTES or count > MAX_PIECES:
        raise LocalFault(f"{len(body)} bytes do not go into datagrams of {datagram_bytes}")
    first = pack(kind, flags | FLAG_FRAGMENT, stream, number << 8, timestamp, len(body))
    return [
        fragment_header(first, piece, last=piece == count - 1) + body[piece * room : (piece + 1) * room] for piece in range(count)
    ]


def resplit(packets: Sequence[bytes], number: int, datagram_bytes: int) -> list[bytes]:
    """The message that `packets` carry, as message `number`, in datagrams of another size."""
    fields = unpack(packets[0])
    if fields is None:
        raise LocalFault("not packets of ours")
    _, kind, flags, stream, _, timestamp, _, _ = fields
    body = b"".join(packet[HEADER_BYTES:] for packet in packets)
    return split(kind, flags & ~(FLAG_FRAGMENT | FLAG_LAST), stream, number, timestamp, body, datagram_bytes)


class _Shape(NamedTuple):
    """The lengths that each piece tells."""

    body_bytes: int
    """Bytes of the message."""
    room: int
    """Bytes of each piece but the last."""

    @property
    def pieces(self) -> int:
        """How many pieces such a message has."""
        return -(-self.body_bytes // self.room)


class _Partial:
    __slots__ = ("deadline", "pieces", "wire_bytes")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.pieces: dict[int, bytes] = {}
        self.wire_bytes = 0

    @property
    def held(self) -> int:
        """Bytes that have arrived."""
        return sum(map(len, self.pieces.values()))


class Reassembly:
    """Unfinished handshake messages, oldest first. A key is whatever tells senders and messages apart."""

    def __init__(self, max_bytes: int, lifetime: float) -> None:
        """At most `max_bytes` are held, and a message that is unfinished after `lifetime` seconds is dropped. Either way the
        oldest goes first."""
        self._max_bytes = max_bytes
        self._lifetime = lifetime
        self._partials: dict[tuple[Hashable, _Shape], _Partial] = {}
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._partials)

    @property
    def crowded(self) -> bool:
        """Is more than half of the room taken?"""
        return self.held_bytes > self._max_bytes // 2

    def expects(self, key: Hashable, fields: Fields, piece: bytes) -> bool:
        """Are there other pieces of this one's message? Raises PeerFault if it is not a valid piece."""
        return (key, _shape(fields, len(piece))) in self._partials

    def add(self, key: Hashable, fields: Fields, piece: bytes, now: float) -> Joined | None:
        """Take one piece. The whole message, if that was the last one missing. Raises PeerFault if it is not a valid piece."""
        number = fields[4] & 0xFF
        shape = _shape(fields, len(piece))
        self.expire(now)
        partial = self._partials.get((key, shape))
        if partial is None:
            partial = self._partials[key, shape] = _Partial(now + self._lifetime)
            self.held_bytes += ENTRY_OVERHEAD_BYTES
        partial.wire_bytes += HEADER_BYTES + len(piece)
        if number not in partial.pieces:
            partial.pieces[number] = piece
            self.held_bytes += len(piece)
        if len(partial.pieces) == shape.pieces:
            self._drop((key, shape))
            body = b"".join(partial.pieces[n] for n in range(shape.pieces))
            return Joined(body, partial.wire_bytes, HEADER_BYTES + shape.room)
        self._shrink()
        return None

    def resize(self, max_bytes: int) -> None:
        """Hold at most `max_bytes` from now on."""
        self._max_bytes = max_bytes
        self._shrink()

    def expire(self, now: float) -> int:
        """Drop what is too old. The number of messages dropped."""
        dropped = 0
        while self._partials:
            key, oldest = next(iter(self._partials.items()))
            if oldest.deadline > now:
                break
            self._drop(key)
            dropped += 1
        return dropped

    def _shrink(self) -> None:
        while self.held_bytes > self._max_bytes:
            self._drop(next(iter(self._partials)))

    def _drop(self, key: tuple[Hashable, _Shape]) -> None:
        partial = self._partials.pop(key)
        self.held_bytes -= partial.held + ENTRY_OVERHEAD_BYTES


def _shape(fields: Fields, piece_bytes: int) -> _Shape:
    """The lengths that a piece tells. Raises PeerFault if no message has such a piece."""
    _, _, flags, _, sequence, _, body_bytes, _ = fields
    number, last = sequence & 0xFF, flags & FLAG_LAST
    if body_bytes > MAX_MESSAGE_BYTES or number >= MAX_PIECES:
        raise PeerFault(Fault.TOO_LONG)
    before = body_bytes - piece_bytes
    if not last:
        room, fits = piece_bytes, number * piece_bytes < before
    else:
        room = before // number if number else 0
        fits = room * number == before and 0 < piece_bytes <= room
    if not fits or room < MIN_PIECE_BYTES:
        raise PeerFault(Fault.BAD_FRAGMENT)
    return _Shape(body_bytes, room)

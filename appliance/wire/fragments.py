"""Handshake packets cut into datagrams and joined again, within bounds. (Sealed records are joined by the transport's driver.)

All pieces but the last are equally long, so a piece's number gives its place. A message that is sent again keeps its number and
its bytes, so the pieces that arrived the first time count.
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

MAX_MESSAGE_BYTES = 16384
"""The longest handshake message taken: a ServerHello has 9 KB, 12 KB as JSON."""
MAX_PIECES = 64
MIN_PIECE_BYTES = 256
"""A piece that is not the last has at least this many bytes, so that few bytes of a stranger cannot fill our tables."""
ENTRY_OVERHEAD_BYTES = 512
"""What an unfinished message costs beside its bytes; measured with tracemalloc, rounded up."""


class Joined(NamedTuple):
    """A whole message, how many bytes of datagrams it took, headers and repeats included, and the longest of them."""

    body: bytes
    wire_bytes: int
    datagram_bytes: int


def split(kind: int, flags: int, stream: int, number: int, timestamp: int, body: bytes, datagram_bytes: int) -> list[bytes]:
    """The packets of message `number`, each at most `datagram_bytes` long with its header."""
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
    """The message that `packets` carry as message `number` in datagrams of another size."""
    fields = unpack(packets[0])
    if fields is None:
        raise LocalFault("not packets of ours")
    _, kind, flags, stream, _, timestamp, _, _ = fields
    body = b"".join(packet[HEADER_BYTES:] for packet in packets)
    return split(kind, flags & ~(FLAG_FRAGMENT | FLAG_LAST), stream, number, timestamp, body, datagram_bytes)


class _Partial:
    __slots__ = ("body_bytes", "deadline", "held", "last", "pieces", "room", "wire_bytes")

    def __init__(self, body_bytes: int, deadline: float) -> None:
        self.body_bytes = body_bytes
        self.deadline = deadline
        self.pieces: dict[int, bytes] = {}
        self.room: int | None = None
        self.last: int | None = None
        self.held = 0
        self.wire_bytes = 0


class Reassembly:
    """Unfinished handshake messages by key (whatever tells senders and messages apart), oldest first."""

    def __init__(self, max_bytes: int, lifetime: float) -> None:
        """At most `max_bytes` are held; a message unfinished after `lifetime` seconds is dropped. Both drop the oldest first."""
        self._max_bytes = max_bytes
        self._lifetime = lifetime
        self._partials: dict[Hashable, _Partial] = {}
        self.held_bytes = 0

    def __contains__(self, key: Hashable) -> bool:
        return key in self._partials

    def __len__(self) -> int:
        return len(self._partials)

    @property
    def crowded(self) -> bool:
        """Is more than half of the room taken?"""
        return self.held_bytes > self._max_bytes // 2

    def add(self, key: Hashable, fields: Fields, piece: bytes, now: float) -> Joined | None:
        """Take one fragment; the message when it was the last one missing. Raises PeerFault for one that cannot belong."""
        _, _, flags, _, sequence, _, body_bytes, _ = fields
        number, last = sequence & 0xFF, bool(flags & FLAG_LAST)
        _check(number, last, len(piece), body_bytes)
        self.expire(now)
        partial = self._partials.get(key)
        if partial is None:
            partial = self._partials[key] = _Partial(body_bytes, now + self._lifetime)
            self.held_bytes += ENTRY_OVERHEAD_BYTES
        partial.wire_bytes += HEADER_BYTES + len(piece)
        if number not in partial.pieces:
            self._place(partial, number, last, piece, body_bytes)
        if partial.held == partial.body_bytes and partial.last is not None and len(partial.pieces) == partial.last + 1:
            self._drop(key)
            body = b"".join(partial.pieces[n] for n in range(partial.last + 1))
            return Joined(body, partial.wire_bytes, HEADER_BYTES + len(partial.pieces[0]))
        self._shrink()
        return None

    def resize(self, max_bytes: int) -> None:
        """Hold at most `max_bytes` from now on."""
        self._max_bytes = max_bytes
        self._shrink()

    def expire(self, now: float) -> int:
        """Drop what is too old; how many messages that were."""
        dropped = 0
        while self._partials:
            key, oldest = next(iter(self._partials.items()))
            if oldest.deadline > now:
                break
            self._drop(key)
            dropped += 1
        return dropped

    def _place(self, partial: _Partial, number: int, last: bool, piece: bytes, body_bytes: int) -> None:
        if last:
            fits = partial.last is None and (partial.room is None or number * partial.room + len(piece) == body_bytes)
        else:
            fits = partial.room in (None, len(piece)) and (partial.last is None or number < partial.last)
        if not fits or body_bytes != partial.body_bytes or partial.held + len(piece) > body_bytes:
            raise PeerFault("bad-fragment")
        if last:
            partial.last = number
        else:
            partial.room = len(piece)
        partial.pieces[number] = piece
        partial.held += len(piece)
        self.held_bytes += len(piece)

    def _shrink(self) -> None:
        while self.held_bytes > self._max_bytes:
            self._drop(next(iter(self._partials)))

    def _drop(self, key: Hashable) -> None:
        partial = self._partials.pop(key)
        self.held_bytes -= partial.held + ENTRY_OVERHEAD_BYTES


def _check(number: int, last: bool, piece_bytes: int, body_bytes: int) -> None:
    if body_bytes > MAX_MESSAGE_BYTES or number >= MAX_PIECES:
        raise PeerFault("too-long")
    least = 1 if last else MIN_PIECE_BYTES
    if piece_bytes < least or piece_bytes > body_bytes or (last and number == 0):
        raise PeerFault("bad-fragment")
    if not last and (number + 1) * piece_bytes >= body_bytes:
        raise PeerFault("bad-fragment")

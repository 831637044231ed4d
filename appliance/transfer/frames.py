"""The frames of a transfer, each behind five bytes:

     0       1               5
    +-------+---------------+------------
    | kind  | length        | body
    +-------+---------------+------------

    sender → receiver                                            receiver → sender
    1 OFFER     version u8, entries u32, bytes of all u64        3 HAVE      file u32, chunks u64, a hash for each set bit
    2 ENTRIES   entries, one behind the other                    4 READY     every file that is not wholly new was named
    5 FILE      file u32: its chunks follow                     11 SEALED    file u32, chunks u64: on the disk, and all before
    6 CHUNK     hash 32, 1 to 262,144 bytes                     12 FINISHED  everything is in its place
    7 HOLE      chunks u64: so many full chunks of zeros        14 ALIVE     still busy
    8 END       root 32 of the whole file
    9 CHANGED   the file was changed: drop what came of it       either way
   10 FINISH    no more files                                   13 ERROR     length u8, reason, text: the last frame

Files are named by their place in the offer, from 0. Numbers are big-endian. What a frame says is judged by `sending` and
`receiving`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from appliance.transfer.faults import Reason, TransferFault
from appliance.transfer.manifest import Entry, decode_entries, encode_entry
from appliance.transfer.tree import CHUNK_BYTES, HASH_BYTES, Tree

VERSION: Final = 1
HEAD: Final = struct.Struct(">BI")
MAX_TEXT_BYTES: Final = 512
"""Of an ERROR's text."""
MAX_SMALL_BYTES: Final = 65_536
"""Of a frame that is no CHUNK."""
_OFFER: Final = struct.Struct(">BIQ")
_PLACE: Final = struct.Struct(">IQ")
_INDEX: Final = struct.Struct(">I")
_COUNT: Final = struct.Struct(">Q")


class FrameKind(IntEnum):
    """The first byte of a frame."""

    OFFER = 1
    ENTRIES = 2
    HAVE = 3
    READY = 4
    FILE = 5
    CHUNK = 6
    HOLE = 7
    END = 8
    CHANGED = 9
    FINISH = 10
    SEALED = 11
    FINISHED = 12
    ERROR = 13
    ALIVE = 14


class Offer(NamedTuple):
    """So much is going to come."""

    entries: int
    size: int
    version: int = VERSION


class Entries(NamedTuple):
    """Some of what is offered."""

    entries: tuple[Entry, ...]


class Have(NamedTuple):
    """The receiver has the first chunks of this file."""

    file: int
    tree: Tree


class File(NamedTuple):
    """What comes now belongs to this file."""

    file: int


class Chunk(NamedTuple):
    """The next chunk."""

    leaf: bytes
    data: bytes | memoryview


class Hole(NamedTuple):
    """Chunks of zeros."""

    chunks: int


class End(NamedTuple):
    """The file is complete, and this is the root of its tree."""

    root: bytes


class Sealed(NamedTuple):
    """On the receiver's disk: all files before this one, and so many chunks of it."""

    file: int
    chunks: int


class Failed(NamedTuple):
    """The other side gives up."""

    reason: Reason
    text: str


class Word(NamedTuple):
    """A frame without a body: READY, CHANGED, FINISH, FINISHED, ALIVE."""

    kind: FrameKind


Frame = Offer | Entries | Have | File | Chunk | Hole | End | Sealed | Failed | Word
READY: Final = Word(FrameKind.READY)
CHANGED: Final = Word(FrameKind.CHANGED)
FINISH: Final = Word(FrameKind.FINISH)
FINISHED: Final = Word(FrameKind.FINISHED)
ALIVE: Final = Word(FrameKind.ALIVE)


def encode(frame: Frame) -> bytes:
    """The frame's bytes. A chunk's data is copied: for many, `chunk_head` and the data itself are sent one behind the other."""
    match frame:
        case Offer(entries, size, version):
            return _framed(FrameKind.OFFER, _OFFER.pack(version, entries, size))
        case Entries(entries=listed):
            return _framed(FrameKind.ENTRIES, b"".join(map(encode_entry, listed)))
        case Have(file, tree):
            return _framed(FrameKind.HAVE, _PLACE.pack(file, tree.chunks) + b"".join(tree.hashes))
        case File(file):
            return _framed(FrameKind.FILE, _INDEX.pack(file))
        case Chunk(leaf, data):
            return chunk_head(leaf, len(data)) + bytes(data)
        case Hole(chunks):
            return _framed(FrameKind.HOLE, _COUNT.pack(chunks))
        case End(root):
            return _framed(FrameKind.END, root)
        case Sealed(file, chunks):
            return _framed(FrameKind.SEALED, _PLACE.pack(file, chunks))
        case Failed(reason, text):
            said = text.encode(errors="replace")[:MAX_TEXT_BYTES]
            return _framed(FrameKind.ERROR, bytes([len(reason)]) + reason.encode() + said)
        case Word(kind):
            return _framed(kind, b"")


def chunk_head(leaf: bytes, length: int) -> bytes:
    """What stands before the data of a chunk."""
    return HEAD.pack(FrameKind.CHUNK, HASH_BYTES + length) + leaf


def judge_head(head: bytes) -> tuple[FrameKind, int]:
    """What is to come: kind and length of the body. Raises TransferFault, so nobody makes room for what is no frame."""
    number, length = HEAD.unpack(head)
    if number not in _DECODERS:
        raise TransferFault(Reason.NOT_UNDERSTOOD, f"a frame of kind {number}")
    kind = FrameKind(number)
    if length > (HASH_BYTES + CHUNK_BYTES if kind is FrameKind.CHUNK else MAX_SMALL_BYTES):
        raise TransferFault(Reason.NOT_UNDERSTOOD, f"{kind.name} with {length} bytes")
    return kind, length


def decode(kind: FrameKind, body: bytes | memoryview) -> Frame:
    """A frame from its body. A chunk's data is a part of `body` itself. Raises TransferFault."""
    try:
        return _DECODERS[kind](body)
    except (struct.error, ValueError) as error:
        raise TransferFault(Reason.NOT_UNDERSTOOD, f"{kind.name} with {len(body)} bytes that make no sense") from error


def _framed(kind: FrameKind, body: bytes) -> bytes:
    return HEAD.pack(kind, len(body)) + body


def _offer(body: bytes | memoryview) -> Frame:
    version, entries, size = _OFFER.unpack(body)
    return Offer(entries, size, version)


def _entries(body: bytes | memoryview) -> Frame:
    return Entries(tuple(decode_entries(bytes(body))))


def _have(body: bytes | memoryview) -> Frame:
    file, chunks = _PLACE.unpack(body[: _PLACE.size])
    hashes = bytes(body[_PLACE.size :])
    return Have(file, Tree(chunks, [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]))


def _chunk(body: bytes | memoryview) -> Frame:
    if len(body) <= HASH_BYTES:
        raise ValueError("no data")
    return Chunk(bytes(body[:HASH_BYTES]), body[HASH_BYTES:])


def _end(body: bytes | memoryview) -> Frame:
    if len(body) != HASH_BYTES:
        raise ValueError("no hash")
    return End(bytes(body))


def _failed(body: bytes | memoryview) -> Frame:
    said = bytes(body)
    if not said or len(said) > 1 + said[0] + MAX_TEXT_BYTES:
        raise ValueError("too long")
    reason = said[1 : 1 + said[0]].decode("ascii", "replace")
    known = Reason(reason) if reason in set(Reason) else Reason.FAILED
    text = said[1 + said[0] :].decode(errors="replace")
    return Failed(known, "".join(each if each.isprintable() else "\ufffd" for each in text))  # it may come onto a terminal


def _word(kind: FrameKind) -> Callable[[bytes | memoryview], Frame]:
    def read(body: bytes | memoryview) -> Frame:
        if len(body):
            raise ValueError("a body")
        return Word(kind)

    return read


_DECODERS: Final[Mapping[int, Callable[[bytes | memoryview], Frame]]] = {
    FrameKind.OFFER: _offer,
    FrameKind.ENTRIES: _entries,
    FrameKind.HAVE: _have,
    FrameKind.READY: _word(FrameKind.READY),
    FrameKind.FILE: lambda body: File(*_INDEX.unpack(body)),
    FrameKind.CHUNK: _chunk,
    FrameKind.HOLE: lambda body: Hole(*_COUNT.unpack(body)),
    FrameKind.END: _end,
    FrameKind.CHANGED: _word(FrameKind.CHANGED),
    FrameKind.FINISH: _word(FrameKind.FINISH),
    FrameKind.SEALED: lambda body: Sealed(*_PLACE.unpack(body)),
    FrameKind.FINISHED: _word(FrameKind.FINISHED),
    FrameKind.ERROR: _failed,
    FrameKind.ALIVE: _word(FrameKind.ALIVE),
}

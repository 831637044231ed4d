"""What members of an application's mesh say to each other on their streams. Pure.

     0        4      5
    +--------+------+- - - - -+
    | length | kind | message |      length: u32, of what follows it
    +--------+------+- - - - -+

kind 0: a message of the application · 1: the sender is still there · 2: it leaves
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from appliance.errors import PeerFault

_HEAD: Final = struct.Struct("!IB")
HEAD_BYTES: Final = _HEAD.size
MOST_MESSAGE: Final = 1 << 20
"""Bytes of one message: what a receiver must be ready to keep for each peer."""


class Kind(IntEnum):
    """What a frame is."""

    MESSAGE = 0
    ALIVE = 1
    LEAVING = 2


class Head(NamedTuple):
    """Of a frame."""

    kind: Kind | None
    """None: of a later version, to be passed over."""
    length: int
    """Bytes that follow it."""


def frame(kind: Kind, message: bytes = b"") -> bytes:
    """As it travels. Raises ValueError for a message that is too long."""
    if len(message) > MOST_MESSAGE:
        raise ValueError(f"a message has at most {MOST_MESSAGE} bytes, this has {len(message)}")
    return _HEAD.pack(1 + len(message), kind) + message


def head_of(five: bytes) -> Head:
    """The first five bytes of a frame. Raises PeerFault."""
    length, kind = _HEAD.unpack(five)
    if not 1 <= length <= 1 + MOST_MESSAGE:
        raise PeerFault("a frame of a mesh is longer than it may be, or is none")
    return Head(Kind(kind) if kind in tuple(Kind) else None, length - 1)

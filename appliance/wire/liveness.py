"""Bodies of the sealed records that keep a session alive. Longer bodies are read up to what is known here.

KeepAlive   empty, or  token u64                                 asks for an Ack
Ack         token u64 (0: answers no KeepAlive) | records u64    authentic records received so far
            [ | lost u32 ]                                       datagrams of cut records lost lately, in a million
Disconnect  empty                                                the session is over
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from appliance.errors import PeerFault
from appliance.wire.faults import Fault

_ACK = struct.Struct("!QQ")
_TOKEN = struct.Struct("!Q")
_LOST = struct.Struct("!I")
MILLION = 1_000_000
PATH_PROBE = 1 << 63
"""The highest bit of a token: it only asks whether the path works by which it comes. The Ack goes back by the same path, and
neither of them says that the session has moved."""


class Ack(NamedTuple):
    """The answer to a KeepAlive, or a report of what was lost."""

    token: int
    """That of the KeepAlive which it answers. 0: it answers none."""
    records: int
    """Authentic records received so far."""
    lost: int | None = None
    """Datagrams of cut records that were lost lately, in a million. None: nothing is said about that."""


def encode_keep_alive(token: int) -> bytes:
    """The body of a KeepAlive. `token` comes back in the Ack."""
    return _TOKEN.pack(token)


def decode_keep_alive(body: bytes) -> int:
    """The token; 0 if there is none. Raises PeerFault."""
    if not body:
        return 0
    return _first(_TOKEN, body)[0]


def encode_ack(ack: Ack) -> bytes:
    """The body of an Ack."""
    body = _ACK.pack(ack.token, ack.records)
    return body if ack.lost is None else body + _LOST.pack(ack.lost)


def decode_ack(body: bytes) -> Ack:
    """The Ack. Raises PeerFault if the body is too short."""
    token, records = _first(_ACK, body)
    lost = min(_LOST.unpack_from(body, _ACK.size)[0], MILLION) if len(body) >= _ACK.size + _LOST.size else None
    return Ack(token, records, lost)


def _first(layout: struct.Struct, body: bytes) -> tuple[int, ...]:
    if len(body) < layout.size:
        raise PeerFault(Fault.MALFORMED)
    return layout.unpack_from(body)

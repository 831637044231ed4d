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


class Ack(NamedTuple):
    """`token` of the KeepAlive it answers (0: none), `records` received so far, `lost` datagrams in a million or None."""

    token: int
    records: int
    lost: int | None = None


def encode_keep_alive(token: int) -> bytes:
    """The body of a KeepAlive that wants `token` back."""
    return _TOKEN.pack(token)


def decode_keep_alive(body: bytes) -> int:
    """The token, 0 when there is none. Raises PeerFault."""
    if not body:
        return 0
    return _first(_TOKEN, body)[0]


def encode_ack(ack: Ack) -> bytes:
    """The body of an Ack."""
    body = _ACK.pack(ack.token, ack.records)
    return body if ack.lost is None else body + _LOST.pack(ack.lost)


def decode_ack(body: bytes) -> Ack:
    """Raises PeerFault when the body is too short."""
    token, records = _first(_ACK, body)
    lost = min(_LOST.unpack_from(body, _ACK.size)[0], MILLION) if len(body) >= _ACK.size + _LOST.size else None
    return Ack(token, records, lost)


def _first(layout: struct.Struct, body: bytes) -> tuple[int, ...]:
    if len(body) < layout.size:
        raise PeerFault(Fault.MALFORMED)
    return layout.unpack_from(body)

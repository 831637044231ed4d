"""A record that one member signs, for one purpose, in one network, until it expires.

     0      1         33        65         73        81        89       91
    +------+---------+---------+----------+---------+---------+--------+- - - - -+-----------+
    | form | network | member  | sequence | written | expires | length | content | signature |
    | 1    | 32      | 32      | u64      | u64     | u64     | u16    | length  | 64        |
    +------+---------+---------+----------+---------+---------+--------+- - - - -+-----------+

The signature is Ed25519 (RFC 8032) by the key in the member's certificate, over "LLP1 record", a zero byte, the purpose, a zero
byte, and all bytes before it. It is alone, as a row's is: records travel over sessions that are authenticated with
post-quantum cryptography, and what nobody else may be able to write must not rest on a record.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.errors import PeerFault
from appliance.members.row import SIGNATURE_BYTES, Digest, Verifier, ed25519_good

FORM: Final = 1
LABEL: Final = b"LLP1 record"
_HEAD: Final = struct.Struct("!B32s32sQQQH")
HEAD_BYTES: Final = _HEAD.size
FRAME_BYTES: Final = HEAD_BYTES + SIGNATURE_BYTES
"""What a record adds to its content."""
MOST_CONTENT: Final = 8192
"""Bytes of content, whatever the purpose: a record and what is said about it fit into a control message."""
MOST_SECONDS: Final = 7 * 86400
"""Between written and expires."""
AHEAD_SECONDS: Final = 300
"""How far a writer's clock may be ahead of ours."""
MOST_SEQUENCE: Final = 2**63 - 1


class Fault(StrEnum):
    """Why a record was not taken. The values are names of counters."""

    MALFORMED = "malformed"
    TOO_LONG = "too-long"
    FOREIGN = "foreign-network"
    UNKNOWN = "unknown-member"
    """Of nobody with a valid certificate, as far as this node knows."""
    FORGED = "forged"
    """Not signed by the member that it names, or for another purpose."""
    EXPIRED = "expired"
    FUTURE = "future"
    """Written later than now, or good for longer than MOST_SECONDS."""


class RecordRefused(PeerFault):
    """The record is not taken."""

    def __init__(self, reason: Fault) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Record(NamedTuple):
    """What one member says, as it was signed."""

    network: Digest
    member: Digest
    sequence: int
    """Of two records of a member for one thing the higher one counts."""
    written: int
    expires: int
    """Unix seconds, by the writer's clock."""
    content: bytes
    encoded: bytes = b""
    """The exact bytes that travel."""


def sign_record(record: Record, purpose: str, sign: Callable[[bytes], bytes]) -> Record:
    """`record` with its bytes. `sign`: Ed25519 with the member's key. Raises RecordRefused for what nobody would take."""
    try:
        head = _HEAD.pack(
            FORM, record.network, record.member, record.sequence, record.written, record.expires, len(record.content)
        )
    except struct.error:
        raise RecordRefused(Fault.MALFORMED) from None
    said = head + record.content
    encoded = said + sign(_signed(purpose, said))
    read = read_head(encoded)
    _judge_times(read, record.written)
    return read


def read_head(encoded: bytes) -> Record:
    """A record before anything else is judged than its form: its signature is not. Raises RecordRefused."""
    if len(encoded) > FRAME_BYTES + MOST_CONTENT:
        raise RecordRefused(Fault.TOO_LONG)
    if len(encoded) < FRAME_BYTES:
        raise RecordRefused(Fault.MALFORMED)
    form, network, member, sequence, written, expires, length = _HEAD.unpack_from(encoded)
    if form != FORM or len(encoded) != FRAME_BYTES + length or sequence > MOST_SEQUENCE or expires < written:
        raise RecordRefused(Fault.MALFORMED)
    return Record(network, member, sequence, written, expires, encoded[HEAD_BYTES : HEAD_BYTES + length], encoded)


def read_record(
    encoded: bytes,
    purpose: str,
    network: Digest,
    keys: Mapping[Digest, bytes],
    wall: float,
    verify: Verifier = ed25519_good,
) -> Record:
    """A record of a member of `network`, written for `purpose`. `keys`: the members' Ed25519 keys. Raises RecordRefused."""
    record = read_head(encoded)
    if record.network != network:
        raise RecordRefused(Fault.FOREIGN)
    _judge_times(record, wall)
    key = keys.get(record.member)
    if key is None:
        raise RecordRefused(Fault.UNKNOWN)
    if not verify(key, encoded[-SIGNATURE_BYTES:], _signed(purpose, encoded[:-SIGNATURE_BYTES])):
        raise RecordRefused(Fault.FORGED)
    return record


def _judge_times(record: Record, wall: float) -> None:
    if record.expires <= wall:
        raise RecordRefused(Fault.EXPIRED)
    if record.written > wall + AHEAD_SECONDS or record.expires - record.written > MOST_SECONDS:
        raise RecordRefused(Fault.FUTURE)


def _signed(purpose: str, said: bytes) -> bytes:
    return b"\0".join((LABEL, purpose.encode(), said))

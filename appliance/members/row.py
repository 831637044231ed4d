"""A member's row: what a node says of itself to its network. Where it can be called, which relays reach it, what it offers.

     0      1         33        65         73        81     82       84
    +------+---------+---------+----------+---------+------+--------+- - - - - +-----------+
    | form | network | member  | sequence | written | load | length | parts    | signature |
    | 1    | 32      | 32      | u64      | u64     | u8   | u16    | length   | 64        |
    +------+---------+---------+----------+---------+------+--------+- - - - - +-----------+

    part:      type u8, length u16, value              in rising order of type; types that are not known are passed over
    1 endpoint kind u8, age u32 (seconds, when the row was written), text in UTF-8
    2 relay    the digest of its identity, 32 bytes
    3 service  length of the name u8, name, text
    4 leaving  nothing

The signature is Ed25519 alone, by the key in the node's certificate, over "LLP1 row" and all bytes before it: a forged row could
at worst misdirect an attempt, since the handshake says who is there. Exact bytes travel and are kept, so nobody rewrites a row.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.api.values import Endpoint
from appliance.errors import ApplianceError

FORM: Final = 1
LABEL: Final = b"LLP1 row"
DIGEST_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_HEAD: Final = struct.Struct("!B32s32sQQBH")
_PART: Final = struct.Struct("!BH")
_FOUND: Final = struct.Struct("!BI")

MOST_BYTES: Final = 2048
"""Of a whole row. Chosen: all limits below at usual lengths fit, and seven of the longest rows fit into a control message."""
MOST_ENDPOINTS: Final = 16
MOST_RELAYS: Final = 8
MOST_SERVICES: Final = 32
MOST_TEXT: Final = 255
"""Bytes of an endpoint, of a service's name and of its text."""
MOST_SEQUENCE: Final = 2**63 - 1
"""Half of what the field holds, so that whoever counts on from a row never leaves it."""
FUTURE_SECONDS: Final = 86400
"""A row that was written later than this from now is refused. Chosen: a clock so far off cannot judge certificates either."""

Digest = bytes
"""The 32 bytes that a fingerprint spells."""
Verifier = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) -> is it good?"""


class EndpointKind(IntEnum):
    """How a node came to know that it can be called there."""

    CONFIGURED = 1
    """An admin wrote it."""
    LOCAL = 2
    """An address of an interface."""
    REFLECTED = 3
    """A peer saw the node there."""
    MAPPED = 4
    """A router promised to forward."""


_KNOWN: Final = frozenset(int(kind) for kind in EndpointKind)


class RowFault(StrEnum):
    """Why a row was not taken. The values are names of counters."""

    MALFORMED = "malformed"
    TOO_LONG = "too-long"
    FOREIGN = "foreign-network"
    UNKNOWN = "unknown-member"
    """Of nobody with a valid certificate, as far as this node knows."""
    FORGED = "forged"
    """Not signed by the member it is about."""
    OLD = "old"
    """One with the same or a higher sequence is there: sent again, or replayed."""
    FUTURE = "future"


class RowRefused(ApplianceError):
    """The row is not taken; what was there before stays."""

    def __init__(self, reason: RowFault) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Reachable(NamedTuple):
    """An endpoint of a row."""

    kind: EndpointKind
    age: int
    """Seconds since it was last seen to work, when the row was written."""
    endpoint: Endpoint


class Service(NamedTuple):
    """Something a node offers."""

    name: str
    text: str
    """Whatever those who use it agreed on."""


class Row(NamedTuple):
    """What one node says of itself."""

    network: Digest
    member: Digest
    sequence: int
    """A higher one replaces a lower one."""
    written: int
    """Unix seconds, by the node's own clock."""
    load: int = 0
    """How busy it is, 0 to 255."""
    endpoints: tuple[Reachable, ...] = ()
    relays: tuple[Digest, ...] = ()
    """Members through which it can be reached, best first."""
    services: tuple[Service, ...] = ()
    leaving: bool = False
    """It stops in order, and is not there until it says something else."""


def sign_row(row: Row, sign: Callable[[bytes], bytes]) -> bytes:
    """The bytes of `row`. `sign`: Ed25519 with the node's key. Raises RowRefused for what nobody would take."""
    parts = b"".join(_parts_of(row))
    try:
        head = _HEAD.pack(FORM, row.network, row.member, row.sequence, row.written, row.load, len(parts))
    except struct.error:
        raise RowRefused(RowFault.MALFORMED) from None
    encoded = head + parts + sign(LABEL + head + parts)
    read_row(encoded)
    return encoded


def head_of(encoded: bytes) -> tuple[Digest, Digest, int]:
    """Network, member and sequence of what looks like a row, before anything else is judged. Raises RowRefused."""
    if len(encoded) > MOST_BYTES:
        raise RowRefused(RowFault.TOO_LONG)
    if len(encoded) < _HEAD.size + SIGNATURE_BYTES:
        raise RowRefused(RowFault.MALFORMED)
    form, network, member, sequence, _, _, length = _HEAD.unpack_from(encoded)
    if form != FORM or sequence > MOST_SEQUENCE or len(encoded) != _HEAD.size + length + SIGNATURE_BYTES:
        raise RowRefused(RowFault.MALFORMED)
    return network, member, sequence


def read_row(encoded: bytes) -> Row:
    """The row, its signature not judged. Raises RowRefused."""
    network, member, sequence = head_of(encoded)
    _, _, _, _, written, load, _ = _HEAD.unpack_from(encoded)
    endpoints: list[Reachable] = []
    relays: list[Digest] = []
    services: list[Service] = []
    leaving = False
    try:
        for kind, value in _parts_in(encoded):
            if kind == 1:
                endpoints += _endpoint(value)
            elif kind == 2:
                relays.append(_digest(value))
            elif kind == 3:
                services.append(_service(value))
            elif kind == 4:
                leaving = True
    except (ValueError, struct.error):
        raise RowRefused(RowFault.MALFORMED) from None
    if len(endpoints) > MOST_ENDPOINTS or len(relays) > MOST_RELAYS or len(services) > MOST_SERVICES:
        raise RowRefused(RowFault.TOO_LONG)
    return Row(network, member, sequence, written, load, tuple(endpoints), tuple(relays), tuple(services), leaving)


def services_that_fit(row: Row) -> tuple[Service, ...]:
    """As many of the row's services, from the first on, as it has room for beside everything else it says."""
    room = MOST_BYTES - _HEAD.size - SIGNATURE_BYTES - sum(map(len, _parts_of(row._replace(services=(), leaving=True))))
    fitting: list[Service] = []
    for service in row.services[:MOST_SERVICES]:
        room -= len(_service_part(service))
        if room < 0:
            break
        fitting.append(service)
    return tuple(fitting)


def judge_signature(encoded: bytes, key: bytes, verify: Verifier) -> None:
    """Raises RowRefused unless `encoded` is signed with `key`."""
    if not verify(key, encoded[-SIGNATURE_BYTES:], LABEL + encoded[:-SIGNATURE_BYTES]):
        raise RowRefused(RowFault.FORGED)


def ed25519_good(key: bytes, signature: bytes, message: bytes) -> bool:
    """Is it a signature of `message` by the Ed25519 `key` (RFC 8032)? The usual Verifier."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _parts_of(row: Row) -> Iterator[bytes]:
    if len(row.endpoints) > MOST_ENDPOINTS or len(row.relays) > MOST_RELAYS or len(row.services) > MOST_SERVICES:
        raise RowRefused(RowFault.TOO_LONG)
    for kind, age, endpoint in row.endpoints:
        yield _part(1, _FOUND.pack(kind, min(max(age, 0), 2**32 - 1)), str(endpoint).encode())
    for relay in row.relays:
        yield _part(2, relay)
    yield from map(_service_part, row.services)
    if row.leaving:
        yield _part(4)


def _service_part(service: Service) -> bytes:
    called = service.name.encode()
    if len(called) > MOST_TEXT:
        raise RowRefused(RowFault.TOO_LONG)
    return _part(3, bytes([len(called)]), called, service.text.encode())


def _part(kind: int, *values: bytes) -> bytes:
    value = b"".join(values)
    if len(value) > MOST_BYTES:
        raise RowRefused(RowFault.TOO_LONG)
    return _PART.pack(kind, len(value)) + value


def _parts_in(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Raises ValueError and struct.error for what has another form."""
    at, end, before = _HEAD.size, len(encoded) - SIGNATURE_BYTES, 0
    while at < end:
        if end - at < _PART.size:
            raise ValueError("half a part")
        kind, length = _PART.unpack_from(encoded, at)
        at += _PART.size + length
        if at > end or kind < before:
            raise ValueError("parts out of order, or longer than the row")
        before = kind
        yield kind, encoded[at - length : at]


def _endpoint(value: bytes) -> Sequence[Reachable]:
    """Nothing for a kind that is not known. Raises ValueError."""
    kind, age = _FOUND.unpack_from(value)
    endpoint = Endpoint.parse(_text(value[_FOUND.size :]))
    return [Reachable(EndpointKind(kind), age, endpoint)] if kind in _KNOWN else []


def _digest(value: bytes) -> Digest:
    if len(value) != DIGEST_BYTES:
        raise ValueError("no digest")
    return value


def _service(value: bytes) -> Service:
    length = value[0] if value else 0
    name = _text(value[1 : 1 + length])
    if not length or len(value) < 1 + length:
        raise ValueError("a service without a name")
    return Service(name, _text(value[1 + length :]))


def _text(value: bytes) -> str:
    if len(value) > MOST_TEXT:
        raise ValueError("a long text")
    text = value.decode()
    if not (text.isprintable() or not text):
        raise ValueError("what nobody can read")
    return text

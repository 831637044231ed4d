"""A registration: a member says for a while that it is to be found under a tag, and where it is called. Or that it is so no more.

    flags u8 | length u8 | tag | count u8 | endpoints: kind u8, length u8, text | relays: digests of 32 bytes

This is the content of a record (`knowledge.signed`) for the purpose "rendezvous". A meeting place gives on the exact bytes, so
that it can neither invent a registration, nor move one to another tag, nor let one live longer. Of one member's registrations
under one tag the one with the highest sequence counts. Modelled on libp2p's rendezvous protocol (its specification, revision 3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.api.values import Endpoint
from appliance.errors import PeerFault
from appliance.knowledge.signed import Fault, Record, RecordRefused, read_head, read_record, sign_record
from appliance.members.row import DIGEST_BYTES, Digest, EndpointKind, Reachable, Row, Verifier, ed25519_good

PURPOSE: Final = "rendezvous"
USUAL_SECONDS: Final = 2 * 3600
MOST_SECONDS: Final = 72 * 3600
"""How long a registration may be good for. Both as libp2p has them."""
LEAST_SECONDS: Final = 60
MOST_TAG: Final = 64
MOST_BYTES: Final = 1024
"""Of a registration's content. Chosen: the limits below fit at usual lengths."""
MOST_ENDPOINTS: Final = 8
MOST_RELAYS: Final = 4
_TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_WITHDRAWN: Final = 1
_KINDS: Final = frozenset(int(kind) for kind in EndpointKind)


class Refusal(StrEnum):
    """Why a registration was not taken, besides `signed.Fault`. The values are names of counters."""

    NOT_OWN = "not-own"
    """Brought by another member than the one who signed it."""
    LIFETIME = "lifetime"
    """Shorter than LEAST_SECONDS, or longer than MOST_SECONDS."""
    OTHER_TAG = "other-tag"
    """An answer about one tag had a registration for another."""
    OLD = "old"
    """A newer one is there: sent again, or replayed."""
    TOO_MANY = "too-many-of-a-member"
    FULL = "full"


class RegistrationRefused(PeerFault):
    """The registration is not taken."""

    def __init__(self, reason: Fault | Refusal) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Registration(NamedTuple):
    """What one member says under one tag."""

    record: Record
    tag: str
    endpoints: tuple[Reachable, ...] = ()
    """Where it is called; none are told of one that was withdrawn."""
    relays: tuple[Digest, ...] = ()
    """Members over which it is reached, best first."""
    withdrawn: bool = False
    """It is not to be found under the tag any more. Kept until it expires, so that an older registration does not come back."""

    @property
    def member(self) -> Digest:
        """Who says it."""
        return self.record.member

    @property
    def encoded(self) -> bytes:
        """The exact bytes that travel."""
        return self.record.encoded

    def as_row(self) -> Row:
        """The same in the form of which `members.calling` knows what to call."""
        record = self.record
        return Row(record.network, record.member, record.sequence, record.written, endpoints=self.endpoints, relays=self.relays)


def is_tag(text: str) -> bool:
    """1 to 64 letters, digits, `.`, `_`, `:`, `-`; the first is a letter or a digit."""
    return _TAG.fullmatch(text) is not None


def sign_registration(registration: Registration, sign: Callable[[bytes], bytes]) -> Registration:
    """`registration` with its bytes. `sign`: Ed25519 with the member's key. Raises RegistrationRefused for what nobody takes."""
    try:
        record = sign_record(registration.record._replace(content=_content(registration)), PURPOSE, sign)
    except RecordRefused as refused:
        raise RegistrationRefused(refused.reason) from None
    return _read(record)


def head_of(encoded: bytes) -> Registration:
    """A registration, its signature, times and network not judged. Raises RegistrationRefused."""
    try:
        return _read(read_head(encoded))
    except RecordRefused as refused:
        raise RegistrationRefused(refused.reason) from None


def read_registration(
    encoded: bytes, network: Digest, keys: Mapping[Digest, bytes], wall: float, verify: Verifier = ed25519_good
) -> Registration:
    """A registration of a member of `network`. `keys`: the members' Ed25519 keys. Raises RegistrationRefused."""
    try:
        return _read(read_record(encoded, PURPOSE, network, keys, wall, verify))
    except RecordRefused as refused:
        raise RegistrationRefused(refused.reason) from None


def _content(registration: Registration) -> bytes:
    if not is_tag(registration.tag):
        raise RegistrationRefused(Fault.MALFORMED)
    endpoints, relays = registration.endpoints[:MOST_ENDPOINTS], registration.relays[:MOST_RELAYS]
    tag = registration.tag.encode()
    end = b"".join(relays)
    parts = [bytes((_WITHDRAWN * registration.withdrawn, len(tag))), tag, b"\0"]
    size, count = sum(map(len, parts)) + len(end), 0
    for each in endpoints:
        text = str(each.endpoint).encode()
        if len(text) <= 255 and size + 2 + len(text) <= MOST_BYTES:
            parts.append(bytes((each.kind, len(text))) + text)
            size, count = size + 2 + len(text), count + 1
    parts[2] = bytes((count,))
    return b"".join((*parts, end))


def _read(record: Record) -> Registration:
    content = record.content
    if len(content) > MOST_BYTES:
        raise RegistrationRefused(Fault.TOO_LONG)
    if not LEAST_SECONDS <= record.expires - record.written <= MOST_SECONDS:
        raise RegistrationRefused(Refusal.LIFETIME)
    try:
        flags, length = content[0], content[1]
        at = 2 + length
        tag, count = content[2:at].decode("ascii"), content[at]
        endpoints, at = _endpoints(content, at + 1, count)
        relays = content[at:]
    except (IndexError, ValueError):
        raise RegistrationRefused(Fault.MALFORMED) from None
    if flags & ~_WITHDRAWN or not is_tag(tag) or len(relays) % DIGEST_BYTES:
        raise RegistrationRefused(Fault.MALFORMED)
    if count > MOST_ENDPOINTS or len(relays) > MOST_RELAYS * DIGEST_BYTES:
        raise RegistrationRefused(Fault.TOO_LONG)
    over = tuple(relays[each : each + DIGEST_BYTES] for each in range(0, len(relays), DIGEST_BYTES))
    return Registration(record, tag, endpoints, over, bool(flags & _WITHDRAWN))


def _endpoints(content: bytes, at: int, count: int) -> tuple[tuple[Reachable, ...], int]:
    """`count` of them from `at` on, less those of a kind that is not known; and where they end. Raises IndexError, ValueError."""
    found = []
    for _ in range(count):
        kind, length = content[at], content[at + 1]
        at += 2 + length
        text = content[at - length : at]
        if len(text) < length:
            raise ValueError("it ends early")
        endpoint = Endpoint.parse(text.decode())
        if kind in _KINDS:
            found.append(Reachable(EndpointKind(kind), 0, endpoint))
    return tuple(found), at

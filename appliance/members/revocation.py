"""A revocation names public keys that are members no more. And proof that a signer lied: two statements with one serial.

Revocation:

     0       8    9
    +-------+----+-----------------------------------+----+---------------------+
    | at    | n  | n * (identity, 32; epoch, u32)    | k  | k * digest, 32      |
    | u64   | u8 |                                   | u8 |                     |
    +-------+----+-----------------------------------+----+---------------------+

It ends every certificate of the identity up to that epoch; one that the owner signed ends those of issuers in any epoch. The
digests are statements that go on to count though the issuer that signed them is removed: what others had seen of it before.

Proof of fraud, without a signature of its own:

     head, 74 bytes | 2 * (kind, u8; SHA-256 of the body, 32; signature, 4,691), in the order of kind and hash
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from appliance.members import fields
from appliance.members.certificate import CLOCK_SKEW, MAX_LIFETIME, MAX_TIME
from appliance.members.fields import Reader
from appliance.members.network import digest_of_text, identity_text, network_text, signer_text
from appliance.members.statement import (
    DIGEST_BYTES,
    HEAD_BYTES,
    Kind,
    Refusal,
    StatementRefused,
    digest_of,
    read_head,
    signed_message,
    split,
)
from appliance.protocol.digests import sha256
from appliance.protocol.identity import SIGNATURE_BYTES, PublicIdentity

MAX_SUBJECTS: Final = 64
MAX_KEPT: Final = 128
KEPT_SECONDS: Final = MAX_LIFETIME + CLOCK_SKEW
"""After that no certificate that there was then is valid any more."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revocation."""

    network: str
    issuer: str
    """Who signed: the network's fingerprint if it was its owner, else that of the issuer's identity."""
    serial: int
    at: int
    """When it was signed, Unix seconds. Decides nothing but when it may be forgotten."""
    subjects: Mapping[str, int]
    """Identities, each with the last epoch that it ends."""
    keeps: frozenset[bytes]
    """Digests of statements that count though their issuer is among the subjects."""
    encoded: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @property
    def by_owner(self) -> bool:
        """Did the owner sign it?"""
        return self.issuer == self.network

    def contains(self, other: Revocation) -> bool:
        """Does it say all that the other one says, for as long?"""
        return (
            self.at >= other.at
            and self.keeps >= other.keeps
            and all(self.subjects.get(identity, -1) >= epoch for identity, epoch in other.subjects.items())
        )

    def is_needed(self, now: int) -> bool:
        """Could a certificate that it ends still be valid?"""
        return now < self.at + KEPT_SECONDS


def pack_revocation(subjects: Mapping[str, int], keeps: Iterable[bytes], at: int) -> bytes:
    """The body. Whether it is a good one says `read_revocation`."""
    named = (digest_of_text(identity) + epoch.to_bytes(4, "big") for identity, epoch in subjects.items())
    return at.to_bytes(8, "big") + fields.several(named) + fields.several(keeps)


def read_revocation(encoded: bytes) -> Revocation:
    """The revocation, its signature not verified. Raises StatementRefused."""
    head, body, _ = split(encoded, Kind.REVOCATION)
    reader = Reader(body)
    at = reader.number(8)
    named = reader.several(lambda: (identity_text(reader.take(DIGEST_BYTES)), reader.number(4)), MAX_SUBJECTS)
    keeps = reader.several(lambda: reader.take(DIGEST_BYTES), MAX_KEPT)
    reader.end()
    subjects = dict(named)
    if not 1 <= len(subjects) == len(named) or at > MAX_TIME:
        raise StatementRefused(Refusal.MALFORMED)
    if keeps and not head.by_owner:
        raise StatementRefused(Refusal.BEYOND_SCOPE)
    return Revocation(
        network_text(head.network),
        signer_text(head.signer, head.network),
        head.serial,
        at,
        subjects,
        frozenset(keeps),
        encoded,
        digest_of(head, body),
    )


@dataclass(frozen=True, slots=True)
class Fraud:
    """Two different statements of one signer with one serial."""

    network: str
    issuer: str
    """Who signed both."""
    serial: int
    encoded: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    """SHA-256 of its bytes."""

    def verify(self, key: PublicIdentity) -> None:
        """Raises PeerFault unless both signatures are good."""
        head = read_head(self.encoded)
        for half in _halves(self.encoded):
            of, body_hash, signature = Kind(half[0]), half[1 : 1 + DIGEST_BYTES], half[1 + DIGEST_BYTES :]
            key.verify(signature, signed_message(head._replace(kind=of), body_hash))


def fraud_of(first: bytes, second: bytes) -> Fraud:
    """The proof that two signed statements with the same network, signer and serial are."""
    head = read_head(first)
    halves = sorted(_half(each) for each in (first, second))
    return read_fraud(head._replace(kind=Kind.FRAUD).pack() + b"".join(halves))


def read_fraud(encoded: bytes) -> Fraud:
    """The proof, its signatures not verified. Raises StatementRefused."""
    head = read_head(encoded)
    if head.kind is not Kind.FRAUD or len(encoded) != HEAD_BYTES + 2 * (1 + DIGEST_BYTES + SIGNATURE_BYTES):
        raise StatementRefused(Refusal.MALFORMED)
    first, second = (half[: 1 + DIGEST_BYTES] for half in _halves(encoded))
    if not first < second or {first[0], second[0]} - {Kind.CERTIFICATE, Kind.REVOCATION}:
        raise StatementRefused(Refusal.MALFORMED)
    return Fraud(network_text(head.network), signer_text(head.signer, head.network), head.serial, encoded, sha256(encoded))


def _half(statement: bytes) -> bytes:
    head, body, signature = split(statement, read_head(statement).kind)
    return bytes((head.kind,)) + sha256(body) + signature


def _halves(encoded: bytes) -> tuple[bytes, bytes]:
    middle = HEAD_BYTES + 1 + DIGEST_BYTES + SIGNATURE_BYTES
    return encoded[HEAD_BYTES:middle], encoded[middle:]

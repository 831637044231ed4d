"""What every statement about a network has in common: its head, its signature, and why it may be refused.

     0    1    2             34           66       74            n-4691      n
    +----+----+-------------+------------+--------+-------------+-----------+
    | 1  |kind| network     | signer     | serial | body        | signature |
    | u8 | u8 | 32 bytes    | 32 bytes   | u64    |             |           |
    +----+----+-------------+------------+--------+-------------+-----------+
    |<------------------- head ------------------>|

`network` is the digest of the owner's public key, `signer` the same if the owner signed, else the digest of an issuer's identity.
The signature (both halves of `protocol.identity`) is over "LLP1 statement" || head || SHA-256(body); SHA-256 of that is the
statement's digest, by which it is known. So head, hash of the body and signature prove that somebody signed, without the body.

Each statement has one encoding only: sorted lists, no bits without a meaning, nothing behind the end.
"""

from __future__ import annotations

import struct
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from appliance.errors import PeerFault
from appliance.protocol.digests import sha256
from appliance.protocol.identity import SIGNATURE_BYTES

VERSION: Final = 1
LABEL: Final = b"LLP1 statement"
HEAD: Final = struct.Struct("!BB32s32sQ")
HEAD_BYTES: Final = HEAD.size
DIGEST_BYTES: Final = 32
MAX_STATEMENT_BYTES: Final = 12_288
"""Longest statement; it fits into one control message. A certificate is shorter: a proof has two of them."""


class Kind(IntEnum):
    """What a statement is."""

    CERTIFICATE = 1
    REVOCATION = 2
    FRAUD = 3
    """Two statements of one signer with one serial. It has no signature of its own."""


class Refusal(StrEnum):
    """Why a statement was refused: one word each, which is counted."""

    # its form
    TOO_LONG = "too-long"
    MALFORMED = "malformed"
    """It is no statement, or not in its only encoding."""
    # whose it is
    FOREIGN_NETWORK = "foreign-network"
    UNKNOWN_SIGNER = "unknown-signer"
    """Neither the owner nor an issuer whose certificate is here. It may be good once that is."""
    BAD_SIGNATURE = "bad-signature"
    CHAIN_TOO_LONG = "chain-too-long"
    """An issuer made another issuer."""
    SIGNER_REMOVED = "signer-removed"
    """Its issuer was removed, or proved a fraud, and whoever removed it does not vouch for this statement."""
    BEYOND_SCOPE = "beyond-scope"
    """Its issuer may not say that."""
    # when it is
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    # what is known already
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    """A newer one of the same signer about the same node is here."""
    RENAMED = "renamed"
    """The same, and it gives the node another name."""
    FULL = "full"
    """As many are here as there may be."""


class StatementRefused(PeerFault):
    """The statement is not taken; nothing changed. `reason` is for counters and for people."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(f"the statement was refused: {reason}")
        self.reason = reason


class Head(NamedTuple):
    """Who says it."""

    kind: Kind
    network: bytes
    """32 bytes."""
    signer: bytes
    """32 bytes; the network's if the owner signed."""
    serial: int
    """Of the signer's statements each has another: in microseconds since 1970, made to rise."""

    @property
    def by_owner(self) -> bool:
        """Did the owner sign it?"""
        return self.signer == self.network

    def pack(self) -> bytes:
        """Its bytes."""
        return HEAD.pack(VERSION, self.kind, self.network, self.signer, self.serial)


def signed_message(head: Head, body_hash: bytes) -> bytes:
    """What the signature is over."""
    return LABEL + head.pack() + body_hash


def digest_of(head: Head, body: bytes) -> bytes:
    """The 32 bytes that a statement is known by; two signatures of the same words are one statement."""
    return sha256(signed_message(head, sha256(body)))


def read_head(encoded: bytes) -> Head:
    """Raises StatementRefused."""
    if len(encoded) > MAX_STATEMENT_BYTES:
        raise StatementRefused(Refusal.TOO_LONG)
    if len(encoded) < HEAD_BYTES:
        raise StatementRefused(Refusal.MALFORMED)
    version, kind, network, signer, serial = HEAD.unpack_from(encoded)
    if version != VERSION or kind not in Kind.__members__.values():
        raise StatementRefused(Refusal.MALFORMED)
    return Head(Kind(kind), network, signer, serial)


def split(encoded: bytes, kind: Kind) -> tuple[Head, bytes, bytes]:
    """Head, body and signature of a signed statement of that kind; the signature is not verified. Raises StatementRefused."""
    head = read_head(encoded)
    if head.kind is not kind or len(encoded) < HEAD_BYTES + SIGNATURE_BYTES:
        raise StatementRefused(Refusal.MALFORMED)
    return head, encoded[HEAD_BYTES:-SIGNATURE_BYTES], encoded[-SIGNATURE_BYTES:]

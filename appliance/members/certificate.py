"""A certificate: what the owner, or an issuer within its scope, says of one node's key. Exact bytes travel.

     0            32           64      68       76           84          92
    +------------+------------+-------+--------+------------+-----------+-------+------+-----------+----------+------+
    | identity   | Ed25519    | epoch | since  | not before | not after | flags | name | addresses | prefixes | tags |
    | 32 bytes   | 32 bytes   | u32   | u64    | u64        | u64       | u8    | text | list      | list     | list |
    +------------+------------+-------+--------+------------+-----------+-------+------+-----------+----------+------+

Behind the tags of an issuer's follow its whole public key (2,624 bytes) and its scope. Times are Unix seconds.

A proof is what one node shows another: the certificate of the issuer that signed its own, if one did, and its own. Each has its
length before it (u16).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from appliance.api.values import Network
from appliance.members import fields
from appliance.members.fields import Address, Reader
from appliance.members.network import identity_text, network_text, signer_text
from appliance.members.scope import MAX_PREFIXES, MAX_TAGS, Flag, Grants, Role, Scope, flags_of, read_scope, roles_of
from appliance.members.statement import Kind, Refusal, StatementRefused, digest_of, split
from appliance.protocol.identity import ED25519_KEY_BYTES, PUBLIC_BYTES, PublicIdentity
from appliance.wire.nobodys import is_nobodys

MAX_ADDRESSES: Final = 8
MAX_LIFETIME: Final = 2 * 366 * 86_400
"""Longest validity of a certificate, in seconds: a revocation need not be kept for longer. Chosen: two years."""
CLOCK_SKEW: Final = 300
"""Seconds that clocks may differ by before a certificate is not yet valid. Chosen: what a host without NTP loses in a month."""
MAX_TIME: Final = 2**63 - 1
_KNOWN: Final = Flag.EXIT | Flag.RELAY | Flag.RENDEZVOUS | Flag.ISSUER | Flag.FINAL


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate. Its signature was verified by nobody yet, unless it comes from `trust`."""

    network: str
    """The fingerprint of the network, `llpn1:…`."""
    issuer: str
    """Who signed: the network's fingerprint if it was its owner, else that of the issuer's identity."""
    serial: int
    """Another for each statement of its signer."""
    identity: str
    """The node's fingerprint, `llp1:…`."""
    ed25519: bytes = field(repr=False)
    """The Ed25519 half of the node's public key, 32 bytes. What is signed with it alone can grant nothing."""
    epoch: int
    """0, and one more each time that the node comes back after its removal."""
    since: int
    """When the node became a member in this epoch: who is longer in the network wins a clash."""
    not_before: int
    not_after: int
    """The first second in which it is valid no more."""
    name: str
    """A DNS label; each member has another."""
    grants: Grants
    scope: Scope | None
    """What it may sign; None unless it is an issuer."""
    public: bytes = field(repr=False)
    """The whole public key of an issuer, 2,624 bytes; else empty."""
    encoded: bytes = field(repr=False)
    """The bytes that were signed, head and signature included."""
    digest: bytes = field(repr=False)
    """Of the statement, 32 bytes."""

    @property
    def by_owner(self) -> bool:
        """Did the owner sign it?"""
        return self.issuer == self.network

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Its own in the overlay."""
        return self.grants.addresses

    @property
    def prefixes(self) -> tuple[Network, ...]:
        """What lies behind it. None of length 0: that is `exit`."""
        return self.grants.prefixes

    @property
    def exit(self) -> bool:
        """May it carry what is for no member?"""
        return self.grants.exit

    @property
    def tags(self) -> tuple[str, ...]:
        """For policies."""
        return self.grants.tags

    @property
    def roles(self) -> frozenset[Role]:
        """What it may be for the others."""
        return self.grants.roles

    @property
    def final(self) -> bool:
        """Does it end when it ends? Issuers that run renew others by themselves."""
        return self.grants.final

    def is_valid(self, now: int) -> bool:
        """By its times alone."""
        return self.not_before - CLOCK_SKEW <= now < self.not_after

    def is_within(self, scope: Scope) -> bool:
        """May an issuer of that scope sign it?"""
        return scope.allows(self.grants, self.not_after - self.not_before)


class Subject(NamedTuple):
    """Whom a certificate is about."""

    digest: bytes
    """Of its identity, 32 bytes."""
    ed25519: bytes
    """32 bytes."""
    public: bytes
    """The whole public key; only an issuer's is written."""


def pack_body(
    subject: Subject,
    *,
    epoch: int,
    since: int,
    not_before: int,
    not_after: int,
    name: str,
    grants: Grants,
    scope: Scope | None,
) -> bytes:
    """The body of a certificate. Whether it is a good one says `read_certificate`."""
    flags = flags_of(grants.roles, grants.exit) | (Flag.FINAL if grants.final else 0)
    body = b"".join(
        (
            subject.digest,
            subject.ed25519,
            epoch.to_bytes(4, "big"),
            *(second.to_bytes(8, "big") for second in (since, not_before, not_after)),
            bytes((flags,)),
            fields.text(name),
            fields.several(map(fields.address, grants.addresses)),
            fields.several(map(fields.prefix, grants.prefixes)),
            fields.several(map(fields.text, grants.tags)),
        )
    )
    return body if scope is None else body + subject.public + scope.pack()


def read_certificate(encoded: bytes) -> Certificate:
    """The certificate, its signature not verified. Raises StatementRefused."""
    head, body, _ = split(encoded, Kind.CERTIFICATE)
    reader = Reader(body)
    identity, ed25519 = reader.take(32), reader.take(ED25519_KEY_BYTES)
    epoch = reader.number(4)
    since, not_before, not_after = (reader.number(8) for _ in range(3))
    flags = reader.flags(_KNOWN)
    name = reader.name()
    addresses = reader.several(reader.address, MAX_ADDRESSES)
    prefixes = reader.several(reader.prefix, MAX_PREFIXES)
    tags = reader.several(reader.tag, MAX_TAGS)
    public, scope = b"", None
    if flags & Flag.ISSUER:
        public, scope = reader.take(PUBLIC_BYTES), read_scope(reader)
        if PublicIdentity(public).digest != identity or public[:ED25519_KEY_BYTES] != ed25519:
            raise StatementRefused(Refusal.MALFORMED)
    reader.end()
    if not since <= not_before < not_after <= MAX_TIME or not_after - not_before > MAX_LIFETIME:
        raise StatementRefused(Refusal.MALFORMED)
    if any(not prefix.prefixlen or is_nobodys(prefix) for prefix in prefixes):
        raise StatementRefused(Refusal.MALFORMED)
    if flags & Flag.ISSUER and not head.by_owner:
        raise StatementRefused(Refusal.CHAIN_TOO_LONG)
    return Certificate(
        network=network_text(head.network),
        issuer=signer_text(head.signer, head.network),
        serial=head.serial,
        identity=identity_text(identity),
        ed25519=ed25519,
        epoch=epoch,
        since=since,
        not_before=not_before,
        not_after=not_after,
        name=name,
        grants=Grants(addresses, prefixes, bool(flags & Flag.EXIT), tags, roles_of(flags), bool(flags & Flag.FINAL)),
        scope=scope,
        public=public,
        encoded=encoded,
        digest=digest_of(head, body),
    )


def pack_proof(certificates: Iterable[bytes]) -> bytes:
    """One message of one or two certificates."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in certificates)


def read_proof(proof: bytes) -> tuple[bytes, ...]:
    """The statements in it, the issuer's first. Raises StatementRefused."""
    reader = Reader(proof)
    found = [reader.take(reader.number(2))]
    if len(found[0]) + 2 < len(proof):
        found.append(reader.take(reader.number(2)))
    reader.end()
    return tuple(found)

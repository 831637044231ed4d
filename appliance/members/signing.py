"""Makes statements: the owner's, or an issuer's. What comes out is what anybody would read, or it raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from appliance.members.certificate import Certificate, Subject, pack_body, read_certificate
from appliance.members.network import NetworkKey, digest_of_text
from appliance.members.revocation import Revocation, pack_revocation, read_revocation
from appliance.members.scope import NO_GRANTS, Grants, Role, Scope
from appliance.members.statement import Head, Kind, signed_message
from appliance.protocol.digests import sha256
from appliance.protocol.identity import ED25519_KEY_BYTES, Identity, PublicIdentity


def sign_certificate(
    signer: Identity,
    network: NetworkKey,
    identity: PublicIdentity,
    *,
    name: str,
    serial: int,
    not_before: int,
    not_after: int,
    since: int | None = None,
    epoch: int = 0,
    grants: Grants = NO_GRANTS,
    scope: Scope | None = None,
) -> Certificate:
    """A certificate for `identity`. `signer` is the owner if it has the network's key, else an issuer; whether that one may say
    so is not asked here. `since` is `not_before` unless this renews another. One with a scope is an issuer's. Raises
    StatementRefused for what nobody would take, and ValueError or OverflowError for numbers and texts that cannot be written."""
    body = pack_body(
        Subject(identity.digest, identity.encoded[:ED25519_KEY_BYTES], identity.encoded),
        epoch=epoch,
        since=not_before if since is None else since,
        not_before=not_before,
        not_after=not_after,
        name=name,
        grants=grants if scope is None else replace(grants, roles=grants.roles | {Role.ISSUER}),
        scope=scope,
    )
    return read_certificate(_sign(Kind.CERTIFICATE, signer, network, serial, body))


def sign_renewal(
    signer: Identity, network: NetworkKey, known: Certificate, *, serial: int, not_before: int, not_after: int
) -> Certificate:
    """A certificate that says what `known` says, for another time. Raises as `sign_certificate` does."""
    body = pack_body(
        Subject(digest_of_text(known.identity), known.ed25519, known.public),
        epoch=known.epoch,
        since=known.since,
        not_before=not_before,
        not_after=not_after,
        name=known.name,
        grants=known.grants,
        scope=known.scope,
    )
    return read_certificate(_sign(Kind.CERTIFICATE, signer, network, serial, body))


def sign_revocation(
    signer: Identity,
    network: NetworkKey,
    subjects: Mapping[str, int],
    *,
    serial: int,
    at: int,
    keeps: Iterable[bytes] = (),
) -> Revocation:
    """A revocation of these identities, each up to that epoch. Raises StatementRefused, ValueError."""
    return read_revocation(_sign(Kind.REVOCATION, signer, network, serial, pack_revocation(subjects, keeps, at)))


def _sign(kind: Kind, signer: Identity, network: NetworkKey, serial: int, body: bytes) -> bytes:
    by = network.digest if network.is_of(signer) else signer.public.digest
    head = Head(kind, network.digest, by, serial)
    return head.pack() + body + signer.sign(signed_message(head, sha256(body)))

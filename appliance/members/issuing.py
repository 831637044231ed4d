"""Signs certificates for newcomers: who gets which name and which addresses, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from appliance.api.values import Network
from appliance.errors import ApplianceError, ExitCode
from appliance.members.addressing import free_addresses, ranges_around, ranges_of
from appliance.members.certificate import Certificate
from appliance.members.fields import NAME, Address
from appliance.members.invitation import Terms
from appliance.members.lifetimes import lifetimes_of
from appliance.members.scope import Scope
from appliance.members.signing import sign_certificate
from appliance.members.statement import StatementRefused
from appliance.members.trust import MAX_CERTIFICATES, Trust
from appliance.protocol.identity import Identity, PublicIdentity

LIFETIME: Final = 365 * 86_400
"""Seconds that a certificate is valid for, unless its issuer may give less (chosen: an owner looks in once a year)."""


MOST_NAME: Final = 60
"""Characters of the name of an invitation: a DNS label, with room for what tells several newcomers apart."""


class CannotIssue(ApplianceError):
    """The certificate cannot be made as it is wanted."""

    exit_code = ExitCode.INVALID


class ClockWrong(CannotIssue):
    """This host's clock says a time before anything of the network began."""

    def __init__(self, now: int) -> None:
        super().__init__(
            f"this host's clock says {datetime.fromtimestamp(now, UTC):%Y-%m-%d}, which is before anything of this network began",
            hint="set it (timedatectl), else others take what is signed here for expired",
        )


def owners_ranges(trust: Trust, now: int) -> tuple[Network, ...]:
    """Where the owner gives addresses: around those of the eldest member that it signed, as all members have it; where its key
    says, as long as there is none."""
    eldest = min(
        (each for each in trust.members(now).values() if each.by_owner and each.addresses),
        key=lambda each: (each.since, each.identity),
        default=None,
    )
    return ranges_of(trust.network.digest) if eldest is None else ranges_around(eldest.addresses)


class Issuer:
    """Who signs for one network on this node: the owner, or an issuer within its scope."""

    def __init__(self, trust: Trust, signer: Identity) -> None:
        self._trust = trust
        self._signer = signer

    def check(self, terms: Terms, now: int) -> None:
        """Can a newcomer have that? Raises CannotIssue with what is in the way."""
        self._must_know_the_time(now)
        if not NAME.fullmatch(terms.name):
            raise CannotIssue(
                f"{terms.name!r} is no name of a member", hint="a DNS label: lower-case letters, digits and dashes, up to 63"
            )
        if len(terms.name) > MOST_NAME:
            raise CannotIssue(
                f"{terms.name!r} is too long", hint=f"up to {MOST_NAME} characters: the second newcomer's is NAME-2"
            )
        self._without_clash(terms.name, "", now)
        scope = self._scope(now)
        try:
            grants = terms.grants()
        except ValueError as error:
            raise CannotIssue(str(error)) from None
        if scope is not None and not scope.allows(grants, min(LIFETIME, scope.lifetime)):
            raise _beyond()

    def issue(self, terms: Terms, name: str, identity: PublicIdentity, now: int, serial: int) -> Certificate:
        """A certificate that counts once `trust` has taken it. Raises CannotIssue."""
        self._must_know_the_time(now)
        self._without_clash(name, identity.fingerprint, now)
        if len(self._trust.members(now)) >= MAX_CERTIFICATES:
            raise CannotIssue("the network is full", hint="revoke who is gone: appliance network revoke NAME")
        scope, before = self._scope(now), self._trust.members(now).get(identity.fingerprint)
        if before is not None and before.name != name:
            raise CannotIssue(
                f"the node is a member already, as {before.name}",
                hint=f"for another name: appliance network revoke {before.name}",
            )
        grants = terms.grants(self._addresses(identity, scope, now))
        lifetime = LIFETIME if scope is None else min(LIFETIME, scope.lifetime)
        try:
            made = sign_certificate(
                self._signer,
                self._trust.network,
                identity,
                name=name,
                serial=serial,
                epoch=self._trust.next_epoch(identity.fingerprint),
                since=None if before is None else before.since,
                not_before=now,
                not_after=now + lifetime,
                grants=grants,
            )
        except (StatementRefused, ValueError, OverflowError) as error:
            raise CannotIssue(f"the certificate cannot be written: {error}") from None
        if scope is not None and not made.is_within(scope):
            raise _beyond()
        return made

    def _must_know_the_time(self, now: int) -> None:
        if lifetimes_of(self._certificates()).begin_after(now):
            raise ClockWrong(now)

    def _scope(self, now: int) -> Scope | None:
        """What this node may give; None: everything, it is the owner. Raises CannotIssue."""
        if self._trust.network.is_of(self._signer):
            return None
        own = self._trust.members(now).get(self._signer.fingerprint)
        if own is None or own.scope is None:
            raise CannotIssue(
                "this node may not invite: it is no issuer of the network",
                hint="invite on a node that `appliance network new` was run on, or ask the owner to make this one an issuer",
            )
        return own.scope

    def _without_clash(self, name: str, identity: str, now: int) -> None:
        for member in self._trust.members(now).values():
            if member.name == name and member.identity != identity:
                raise CannotIssue(
                    f"there is a member {name} already",
                    hint=f"choose another name; if it is gone for good: appliance network revoke {name}",
                )

    def _addresses(self, identity: PublicIdentity, scope: Scope | None, now: int) -> tuple[Address, ...]:
        """Those that the node has if it comes again, else free ones. Raises CannotIssue."""
        ranges = owners_ranges(self._trust, now) if scope is None else scope.addresses
        before = [each.addresses for each in self._trust.certificates(identity.fingerprint)]
        used = {address for each in self._certificates() if each.identity != identity.fingerprint for address in each.addresses}
        for addresses in before:
            if addresses and used.isdisjoint(addresses) and all(any(one in each for each in ranges) for one in addresses):
                return addresses
        found = free_addresses(ranges, identity.digest, used)
        if not found:
            raise CannotIssue("no address is free", hint="the ranges of this network are full: revoke who is gone")
        return found

    def _certificates(self) -> Iterable[Certificate]:
        return (each for each in self._trust.statements() if isinstance(each, Certificate))


def _beyond() -> CannotIssue:
    return CannotIssue("this node may not give all that", hint="`appliance network show` has what it may; ask the owner")

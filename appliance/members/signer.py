"""Whoever signs for a network, its owner or an issuer: names, serials, epochs and limits are looked after here.

Each statement is taken by the signer's own `Trust` before anybody gets it, so nothing is handed out that others would refuse.
After a CannotIssue that `Trust` may hold what is not to be handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from appliance.members.certificate import Certificate
from appliance.members.clashes import Why
from appliance.members.issuing import CannotIssue
from appliance.members.revocation import MAX_KEPT, MAX_SUBJECTS, Revocation
from appliance.members.scope import Grants, Scope
from appliance.members.signing import sign_certificate, sign_renewal, sign_revocation
from appliance.members.statement import Refusal, StatementRefused
from appliance.members.trust import Trust
from appliance.protocol.identity import Identity, PublicIdentity

_HINTS = {
    Refusal.BEYOND_SCOPE: "`appliance network show` has what this key may give; the owner's key may give everything",
    Refusal.CHAIN_TOO_LONG: "only the owner's key makes an issuer",
    Refusal.UNKNOWN_SIGNER: "this is neither the owner's key nor that of an issuer with a valid certificate",
    Refusal.SIGNER_REMOVED: "this issuer was removed: sign with the owner's key",
    Refusal.REVOKED: "the owner removed this node: only the owner's key brings it back",
    Refusal.RENAMED: "a member keeps its name; with a new identity (appliance keys new) it is another one",
    Refusal.FULL: "revoke members that are gone: appliance network revoke NAME",
    Refusal.MALFORMED: "names and tags are lower-case letters, digits and dashes; loopback and multicast are nobody's",
}
_CLASHES = {Why.NAME_TAKEN: "that name", Why.ADDRESS_TAKEN: "that address", Why.PREFIX_TAKEN: "some of that prefix"}


class Signer:
    """One key that signs, and what its holder knows of the network."""

    def __init__(self, trust: Trust, key: Identity, clock: int, take: Callable[[bytes, int], object] | None = None) -> None:
        """`clock`: microseconds since 1970, for serials. They rise from there, so whoever lost what it signed uses none twice.
        `take`: what has `trust` take a statement, for whoever does more with it."""
        self._trust = trust
        self._clock = clock
        self._take = take or trust.take
        self._key = key
        self.is_owner = trust.network.is_of(key)
        self.fingerprint = trust.network.fingerprint if self.is_owner else key.fingerprint
        """As statements have it."""

    def certify(
        self, identity: PublicIdentity, name: str, grants: Grants, *, now: int, lifetime: int, scope: Scope | None = None
    ) -> Certificate:
        """A certificate that begins now, for so many seconds. With a scope it makes an issuer. Raises CannotIssue."""
        if identity.encoded == self._trust.network.encoded:
            raise CannotIssue("that is the owner's key: a node has one of its own", hint="make it: appliance keys new PATH")
        epoch = self._trust.next_epoch(identity.fingerprint)
        if epoch and scope is not None:
            raise CannotIssue(
                f"{name} was removed once: what it signs counts no more", hint="give it a new identity: appliance keys new PATH"
            )
        before = [each for each in self._trust.certificates(identity.fingerprint) if each.epoch == epoch]
        with _told():
            made = sign_certificate(
                self._key,
                self._trust.network,
                identity,
                name=name,
                serial=self._serial(),
                epoch=epoch,
                since=min((each.since for each in before), default=None),
                not_before=now,
                not_after=now + lifetime,
                grants=grants,
                scope=scope,
            )
            self._take(made.encoded, now)
        self._must_count(made, now)
        return made

    def renew(self, known: Certificate, *, now: int, lifetime: int) -> Certificate:
        """The same certificate, from now on. Raises CannotIssue."""
        with _told():
            made = sign_renewal(
                self._key, self._trust.network, known, serial=self._serial(), not_before=now, not_after=now + lifetime
            )
            self._take(made.encoded, now)
        self._must_count(made, now)
        return made

    def scope(self, now: int) -> Scope | None:
        """What it may give; None: everything, it is the owner. Raises CannotIssue if it may give nothing."""
        if self.is_owner:
            return None
        own = self._trust.members(now).get(self.fingerprint)
        if own is None or own.scope is None:
            raise CannotIssue(
                "the key is neither the owner's nor that of an issuer", hint="say where the owner's key is: --key FILE"
            )
        return own.scope

    def revoke(self, subjects: Sequence[Certificate], *, now: int, keep: bool = True) -> list[Revocation]:
        """Remove these nodes. What an issuer among them has signed goes on to count if `keep`. Raises CannotIssue."""
        foreign = [] if self.is_owner else [each.name for each in subjects if each.issuer != self.fingerprint]
        if foreign:
            raise CannotIssue(f"this issuer did not sign {foreign[0]}", hint="sign the removal with the owner's key")
        kept = self._kept({each.identity for each in subjects}) if keep and self.is_owner else []
        named, at = self._named(subjects, now, alone=bool(kept))
        made = []
        for start in range(0, max(len(kept), 1), MAX_KEPT):
            with _told():
                keeps = kept[start : start + MAX_KEPT]
                one = sign_revocation(self._key, self._trust.network, named, serial=self._serial(), at=at, keeps=keeps)
                self._take(one.encoded, now)
            made.append(one)
        return made

    def _named(self, subjects: Sequence[Certificate], now: int, *, alone: bool) -> tuple[dict[str, int], int]:
        """Whom to name, and when that is signed. The last revocation with room is said again, so that the new one takes its place
        and their number stays small."""
        named: dict[str, int] = {}
        for each in subjects:
            known = [certificate.epoch for certificate in self._trust.certificates(each.identity)]
            named[each.identity] = max([each.epoch, named.get(each.identity, 0), *known])
        last = min(self._revocations(), key=lambda each: (len(each.subjects), each.digest), default=None)
        if alone or last is None or last.keeps or len(last.subjects | named.keys()) > MAX_SUBJECTS:
            return named, now
        for identity, epoch in last.subjects.items():
            named[identity] = max(epoch, named.get(identity, epoch))
        return named, max(now, last.at)

    def _revocations(self) -> list[Revocation]:
        mine = [each for each in self._trust.statements() if isinstance(each, Revocation) and each.issuer == self.fingerprint]
        return [each for each in mine if not each.keeps]

    def _kept(self, issuers: set[str]) -> list[bytes]:
        """Digests of what they signed and counts so far."""
        return sorted(each.digest for each in self._trust.statements() if each.issuer in issuers)

    def _serial(self) -> int:
        mine = (each.serial + 1 for each in self._trust.statements() if each.issuer == self.fingerprint)
        return max(self._clock, *mine, 0)

    def _must_count(self, made: Certificate, now: int) -> None:
        aside = next((each for each in self._trust.set_aside(now) if each.certificate.digest == made.digest), None)
        if aside is not None:
            raise CannotIssue(
                f"{aside.against or 'somebody'} has {_CLASHES.get(aside.why, aside.why)} already",
                hint="`appliance network members` shows who has what",
            )


@contextmanager
def _told() -> Iterator[None]:
    """What is refused, or cannot be written, as a sentence for the admin."""
    try:
        yield
    except StatementRefused as refused:
        raise CannotIssue(f"other members would refuse it: {refused.reason}", hint=_HINTS.get(refused.reason, "")) from None
    except (ValueError, OverflowError):
        raise CannotIssue("it cannot be written", hint=_HINTS[Refusal.MALFORMED]) from None

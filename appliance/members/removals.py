"""Who was removed, by whom, and what goes on to count. Bounded; what is the owner's has room of its own.

What an issuer removes ends what that issuer signed, and nothing else. Whom the owner removed no issuer can bring back. An issuer
that the owner removed, or that two statements prove a fraud, signs nothing that counts but what the owner's revocations keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appliance.members.certificate import Certificate
from appliance.members.revocation import Fraud, Revocation
from appliance.members.statement import Refusal, StatementRefused

MAX_OF_OWNER: Final = 4096
"""Revocations that the owner signed; each names up to 64 identities. One more displaces the oldest (chosen: 20 MB)."""
MAX_OF_ISSUER: Final = 32
"""Of each issuer."""


class Removals:
    """The revocations and proofs of fraud of one network. All were verified."""

    def __init__(self) -> None:
        self._revocations: dict[str, dict[bytes, Revocation]] = {}
        """By signer and digest."""
        self._frauds: dict[str, Fraud] = {}
        """By signer; the one with the lowest digest, so that all nodes keep the same."""
        self._by_owner: dict[str, int] = {}
        """Identity: the last epoch that the owner ended."""
        self._keeps: set[bytes] = set()
        self._by_issuer: dict[tuple[str, str], set[bytes]] = {}
        """Signer and identity: digests of the signer's revocations."""

    def __iter__(self) -> Iterator[Fraud | Revocation]:
        """All that others should have too."""
        yield from self._frauds.values()
        for signer, found in self._revocations.items():
            for revocation in found.values():
                if revocation.by_owner or self.counts(signer, revocation.digest):
                    yield revocation

    @property
    def frauds(self) -> tuple[Fraud, ...]:
        """One for each signer that lied."""
        return tuple(self._frauds.values())

    def counts(self, issuer: str, digest: bytes) -> bool:
        """Does a statement count that this issuer signed?"""
        return digest in self._keeps or not (issuer in self._by_owner or issuer in self._frauds)

    def ends(self, certificate: Certificate) -> bool:
        """Was its node removed, as far as this certificate goes?"""
        if self.owner_ends(certificate):
            return True
        digests = self._by_issuer.get((certificate.issuer, certificate.identity), ())
        mine = self._revocations.get(certificate.issuer, {})
        return any(
            mine[digest].subjects[certificate.identity] >= certificate.epoch and self.counts(certificate.issuer, digest)
            for digest in digests
        )

    def owner_ends(self, certificate: Certificate) -> bool:
        """The same by what the owner signed alone. That can no more be undone."""
        epoch = self._by_owner.get(certificate.identity)
        return epoch is not None and (certificate.epoch <= epoch or not certificate.by_owner)

    def last_epoch(self, identity: str) -> int:
        """The last epoch of it that a revocation ended which counts, anybody's; -1: there is none."""
        by_issuers = (
            self._revocations[signer][digest].subjects[identity]
            for (signer, subject), digests in self._by_issuer.items()
            if subject == identity
            for digest in digests
            if self.counts(signer, digest)
        )
        return max([self._by_owner.get(identity, -1), *by_issuers])

    def judge(self, revocation: Revocation, now: int) -> None:
        """Raises StatementRefused if it would not be added."""
        if not revocation.is_needed(now):
            raise StatementRefused(Refusal.EXPIRED)
        known = self._revocations.get(revocation.issuer, {})
        if any(_covers(other, revocation) for other in known.values()):
            raise StatementRefused(Refusal.SUPERSEDED)
        if len(known) >= _most(revocation) and _age(revocation) < min(map(_age, known.values())):
            raise StatementRefused(Refusal.FULL)

    def add(self, revocation: Revocation) -> tuple[Revocation, ...]:
        """One that was judged; those that it replaces or displaces."""
        known = self._revocations.setdefault(revocation.issuer, {})
        gone = [other for other in known.values() if revocation.contains(other)]
        if len(known) - len(gone) >= _most(revocation):
            gone.append(min(known.values(), key=_age))
        for other in gone:
            del known[other.digest]
        known[revocation.digest] = revocation
        if gone:
            self._index_anew()
        else:
            self._index(revocation)
        return tuple(gone)

    def add_fraud(self, fraud: Fraud) -> bool:
        """Is it one that was not here, and is kept?"""
        known = self._frauds.get(fraud.issuer)
        if known is not None and known.digest <= fraud.digest:
            return False
        self._frauds[fraud.issuer] = fraud
        return True

    def _index(self, revocation: Revocation) -> None:
        if not revocation.by_owner:
            for identity in revocation.subjects:
                self._by_issuer.setdefault((revocation.issuer, identity), set()).add(revocation.digest)
            return
        self._keeps |= revocation.keeps
        for identity, epoch in revocation.subjects.items():
            self._by_owner[identity] = max(epoch, self._by_owner.get(identity, epoch))

    def _index_anew(self) -> None:
        self._by_owner, self._keeps, self._by_issuer = {}, set(), {}
        for found in self._revocations.values():
            for revocation in found.values():
                self._index(revocation)


def _covers(known: Revocation, new: Revocation) -> bool:
    return known.contains(new) and not (new.contains(known) and new.digest < known.digest)


def _most(revocation: Revocation) -> int:
    return MAX_OF_OWNER if revocation.by_owner else MAX_OF_ISSUER


def _age(revocation: Revocation) -> tuple[int, bytes]:
    return revocation.at, revocation.digest

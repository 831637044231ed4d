"""All statements of one network that this node knows, and who is a member by them. It has no clock: `now` is Unix seconds.

What is kept does not depend on the order in which statements come, but for those that cannot be judged yet (`unknown-signer`) and
for the limits. Who is a member is a function of what is kept and of the time. Removing works when adding is full.

A certificate is judged by all that is known before its signature is verified (0.3 ms), and no bad one is verified twice. How many
come in a second is for whoever calls `take`: a family of control messages has its budget for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import Final, NamedTuple

from appliance.errors import PeerFault
from appliance.members.certificate import CLOCK_SKEW, Certificate, pack_proof, read_certificate
from appliance.members.clashes import SetAside, Why, settled
from appliance.members.network import NetworkKey
from appliance.members.removals import Removals
from appliance.members.revocation import Fraud, Revocation, fraud_of, read_fraud, read_revocation
from appliance.members.statement import Kind, Refusal, StatementRefused, digest_of, read_head, signed_message, split
from appliance.protocol.digests import sha256
from appliance.protocol.identity import PublicIdentity

MAX_CERTIFICATES: Final = 4096
"""Chosen: 30 MB at most, 7 for a thousand members."""
MAX_OF_ISSUER: Final = 2048
"""Certificates that one issuer signed: half of all, so that none can keep the owner out."""
MAX_ISSUERS: Final = 64
MAX_BAD: Final = 4096
"""Hashes of statements with bad signatures that are remembered."""

Statement = Certificate | Revocation | Fraud


class Taken(StrEnum):
    """What `Trust.take` did with a statement that it did not refuse."""

    NEW = "new"
    """It is kept, and others should have it too."""
    KNOWN = "known"
    """It was here; nothing changed."""
    FRAUD = "fraud"
    """Its signer has signed another statement with this serial: the proof is kept, and others should have it too."""


class _Judged(NamedTuple):
    members: Mapping[str, Certificate]
    aside: tuple[SetAside, ...]
    changes: int
    since: int
    until: float
    """The next time that a certificate begins or ends."""


class Trust:
    """What one node knows of one network."""

    def __init__(self, network: NetworkKey) -> None:
        self.network = network
        self.refused: Counter[Refusal] = Counter()
        """How many statements were refused, by reason."""
        self.verified = 0
        """Signatures that were verified."""
        self.changes = 0
        """Rises whenever something that `statements` gives has changed."""
        self._certificates: dict[str, dict[str, Certificate]] = {}
        """By identity and signer: the one that counts among those of one signer about one node."""
        self._count: Counter[str] = Counter()
        """Certificates by signer."""
        self._issuers = 0
        """Certificates that make somebody an issuer."""
        self._searched = -1, 0
        """`changes` and `now` when room was searched for last."""
        self._removals = Removals()
        self._known: dict[bytes, Statement] = {}
        """By digest."""
        self._serials: dict[tuple[str, int], Certificate | Revocation] = {}
        self._bad: dict[bytes, None] = {}
        self._judged = _Judged({}, (), -1, 0, 0)

    def take(self, encoded: bytes, now: int) -> Taken:
        """Judge a statement that somebody sent. Raises StatementRefused; nothing changed then, but for the counters."""
        try:
            head = read_head(encoded)
            if head.network != self.network.digest:
                raise StatementRefused(Refusal.FOREIGN_NETWORK)
            if head.kind is Kind.FRAUD:
                return self._take_fraud(read_fraud(encoded))
            _, body, _ = split(encoded, head.kind)
            if digest_of(head, body) in self._known:
                return Taken.KNOWN
            statement = read_certificate(encoded) if head.kind is Kind.CERTIFICATE else read_revocation(encoded)
            return self._take(statement, now)
        except StatementRefused as refused:
            self.refused[refused.reason] += 1
            raise

    def members(self, now: int) -> Mapping[str, Certificate]:
        """Who is a member, by identity. Costs nothing as long as no statement came and none began or ended; else some 20 µs a
        member, so ask once after several were taken."""
        return self._judgement(now).members

    def set_aside(self, now: int) -> tuple[SetAside, ...]:
        """Certificates that are valid by their times and do not count, with the reason."""
        return self._judgement(now).aside

    def frauds(self) -> tuple[Fraud, ...]:
        """Proofs that signers lied."""
        return self._removals.frauds

    def revoked(self, identity: str) -> bool:
        """Was it removed, and has it not come back?"""
        kept = self._certificates.get(identity, {}).values()
        return self._removals.last_epoch(identity) >= 0 and all(self._removals.ends(each) for each in kept)

    def next_epoch(self, identity: str) -> int:
        """The epoch that a new certificate of this identity needs, whoever signs it."""
        epochs = [each.epoch for each in self._certificates.get(identity, {}).values() if not self._removals.ends(each)]
        return max([self._removals.last_epoch(identity) + 1, *epochs])

    def certificates(self, identity: str) -> tuple[Certificate, ...]:
        """All that are kept about one node, whether they count or not."""
        return tuple(self._certificates.get(identity, {}).values())

    def ends_at(self, certificate: Certificate) -> int:
        """When it counts no more: at its own end, or at that of its issuer's certificate."""
        issuer = self._certificates.get(certificate.issuer, {}).get(self.network.fingerprint)
        return certificate.not_after if issuer is None else min(certificate.not_after, issuer.not_after)

    def proof_of(self, identity: str) -> bytes:
        """What shows to anybody who has the network's key that it is a member (`certificate.read_proof`). Raises KeyError if no
        certificate about it is here."""
        certificate = self._judged.members.get(identity) or min(self._certificates[identity].values(), key=self._rank)
        issuers = () if certificate.by_owner else (self._certificates[certificate.issuer][self.network.fingerprint],)
        return pack_proof(each.encoded for each in (*issuers, certificate))

    def statements(self) -> tuple[Statement, ...]:
        """All that other members should have too, so that whoever takes them in this order refuses none for its signer."""
        by_owner, others = [], []
        for certificate in self._all():
            if certificate.by_owner:
                by_owner.append(certificate)
            elif self._hindrance(certificate, None) is None:
                others.append(certificate)
        by_owner.sort(key=lambda each: each.scope is None)
        removals = [each for each in self._removals if self._has_key(each)]
        return (*by_owner, *removals, *others)

    def _all(self) -> Iterator[Certificate]:
        for found in self._certificates.values():
            yield from found.values()

    def _take(self, statement: Certificate | Revocation, now: int) -> Taken:
        key = self._key_of(statement)
        twin = self._serials.get((statement.issuer, statement.serial))
        # to compare a revocation with all others may take longer than to verify it
        verified = twin is not None or isinstance(statement, Revocation)
        if verified:
            self._verify(statement, key)
        if twin is not None:
            self._note_fraud(fraud_of(twin.encoded, statement.encoded))
        try:
            self._judge(statement, now)
            if not verified:
                self._verify(statement, key)
        except StatementRefused:
            if twin is None:
                raise
        else:
            self._keep(statement)
        return Taken.NEW if twin is None else Taken.FRAUD

    def _take_fraud(self, fraud: Fraud) -> Taken:
        if fraud.digest in self._known:
            return Taken.KNOWN
        key = self._key_of(fraud)
        if any(each.issuer == fraud.issuer and each.digest <= fraud.digest for each in self._removals.frauds):
            raise StatementRefused(Refusal.SUPERSEDED)
        self.verified += 1  # the second of its two signatures; `_checked` counts the first
        self._checked(fraud.encoded, lambda: fraud.verify(key))
        self._note_fraud(fraud)
        return Taken.FRAUD

    def _has_key(self, statement: Statement) -> bool:
        """Can anybody verify it? Not what somebody signed who is an issuer no more, nor does it matter then."""
        try:
            self._key_of(statement)
        except StatementRefused:
            return False
        return True

    def _key_of(self, statement: Statement) -> PublicIdentity:
        if statement.issuer == self.network.fingerprint:
            return self.network
        issuer = self._certificates.get(statement.issuer, {}).get(self.network.fingerprint)
        if issuer is None or not issuer.public:
            raise StatementRefused(Refusal.UNKNOWN_SIGNER)
        return PublicIdentity(issuer.public)

    def _judge(self, statement: Certificate | Revocation, now: int) -> None:
        if isinstance(statement, Certificate):
            self._judge_certificate(statement, now)
            return
        if not statement.by_owner and not self._removals.counts(statement.issuer, statement.digest):
            raise StatementRefused(Refusal.SIGNER_REMOVED)
        self._removals.judge(statement, now)

    def _judge_certificate(self, certificate: Certificate, now: int) -> None:
        if now >= certificate.not_after:
            raise StatementRefused(Refusal.EXPIRED)
        if not certificate.is_valid(now):
            raise StatementRefused(Refusal.NOT_YET_VALID)
        if self._is_ended_for_good(certificate):
            raise StatementRefused(Refusal.REVOKED)
        match self._hindrance(certificate, now):
            case Why.ISSUER_REMOVED:
                raise StatementRefused(Refusal.SIGNER_REMOVED)
            case Why.NO_ISSUER:
                raise StatementRefused(Refusal.UNKNOWN_SIGNER)
            case Why.BEYOND_SCOPE:
                raise StatementRefused(Refusal.BEYOND_SCOPE)
        known = self._certificates.get(certificate.identity, {}).get(certificate.issuer)
        if known is not None and known.is_valid(now) and _precedence(known) <= _precedence(certificate):
            renamed = known.epoch == certificate.epoch and known.name != certificate.name
            raise StatementRefused(Refusal.RENAMED if renamed else Refusal.SUPERSEDED)
        if known is None or (certificate.scope is not None and known.scope is None):
            self._find_room(certificate, now)

    def _is_ended_for_good(self, certificate: Certificate) -> bool:
        """The owner removed its node. But what an issuer signed before it was removed may count, and needs its key; and whom an
        issuer removed is a member again if the owner removes that issuer."""
        return certificate.scope is None and self._removals.owner_ends(certificate)

    def _hindrance(self, certificate: Certificate, now: int | None) -> Why | None:
        """Why it does not count for its issuer's sake; whether that one's certificate is valid is asked if there is a time."""
        if certificate.by_owner:
            return None
        if not self._removals.counts(certificate.issuer, certificate.digest):
            return Why.ISSUER_REMOVED
        issuer = self._certificates.get(certificate.issuer, {}).get(self.network.fingerprint)
        if issuer is None or issuer.scope is None or not (now is None or issuer.is_valid(now)):
            return Why.NO_ISSUER
        return None if certificate.is_within(issuer.scope) else Why.BEYOND_SCOPE

    def _find_room(self, certificate: Certificate, now: int) -> None:
        if self._has_room(certificate):
            return
        if self._searched != (self.changes, now):  # nobody has verified yet that it is worth a search
            for useless in [each for each in self._all() if self._is_useless(each, now)]:
                self._drop(useless)
            self._searched = self.changes, now
        if not self._has_room(certificate):
            raise StatementRefused(Refusal.FULL)

    def _has_room(self, certificate: Certificate) -> bool:
        if certificate.scope is not None and self._issuers >= MAX_ISSUERS:
            return False
        of_signer = self._count[certificate.issuer]
        return self._count.total() < MAX_CERTIFICATES and (certificate.by_owner or of_signer < MAX_OF_ISSUER)

    def _is_useless(self, certificate: Certificate, now: int) -> bool:
        if now >= certificate.not_after or self._removals.ends(certificate):
            return True
        return not certificate.by_owner and not self._removals.counts(certificate.issuer, certificate.digest)

    def _verify(self, statement: Certificate | Revocation, key: PublicIdentity) -> None:
        head, body, signature = split(statement.encoded, read_head(statement.encoded).kind)
        self._checked(statement.encoded, lambda: key.verify(signature, signed_message(head, sha256(body))))

    def _checked(self, encoded: bytes, verify: Callable[[], None]) -> None:
        hashed = sha256(encoded)
        if hashed in self._bad:
            raise StatementRefused(Refusal.BAD_SIGNATURE)
        self.verified += 1
        try:
            verify()
        except PeerFault:
            if len(self._bad) >= MAX_BAD:
                del self._bad[next(iter(self._bad))]
            self._bad[hashed] = None
            raise StatementRefused(Refusal.BAD_SIGNATURE) from None

    def _keep(self, statement: Certificate | Revocation) -> None:
        self.changes += 1
        self._known[statement.digest] = statement
        self._serials[statement.issuer, statement.serial] = statement
        if isinstance(statement, Revocation):
            for gone in self._removals.add(statement):
                self._forget(gone)
            ended = [each for identity in statement.subjects for each in self.certificates(identity) if statement.by_owner]
            for certificate in ended:
                if self._is_ended_for_good(certificate):
                    self._drop(certificate)
            return
        of_node = self._certificates.setdefault(statement.identity, {})
        if (older := of_node.get(statement.issuer)) is not None:
            self._drop(older)
        self._certificates.setdefault(statement.identity, {})[statement.issuer] = statement
        self._count[statement.issuer] += 1
        self._issuers += statement.scope is not None

    def _drop(self, certificate: Certificate) -> None:
        self.changes += 1
        of_node = self._certificates[certificate.identity]
        del of_node[certificate.issuer]
        if not of_node:
            del self._certificates[certificate.identity]
        self._count[certificate.issuer] -= 1
        self._issuers -= certificate.scope is not None
        self._forget(certificate)

    def _forget(self, statement: Certificate | Revocation) -> None:
        del self._known[statement.digest]
        if self._serials.get((statement.issuer, statement.serial)) is statement:
            del self._serials[statement.issuer, statement.serial]

    def _note_fraud(self, fraud: Fraud) -> None:
        before = {each.issuer: each for each in self._removals.frauds}.get(fraud.issuer)
        if self._removals.add_fraud(fraud):
            self.changes += 1
            self._known[fraud.digest] = fraud
            if before is not None:
                del self._known[before.digest]

    def _judgement(self, now: int) -> _Judged:
        judged = self._judged
        if judged.changes != self.changes or not judged.since <= now < judged.until:
            self._judged = judged = self._judge_all(now)
        return judged

    def _judge_all(self, now: int) -> _Judged:
        best: dict[str, Certificate] = {}
        aside: list[SetAside] = []
        turns = []
        for certificate in self._all():
            turns += [certificate.not_before - CLOCK_SKEW, certificate.not_after]
            if not certificate.is_valid(now):
                continue
            why = Why.REMOVED if self._removals.ends(certificate) else self._hindrance(certificate, now)
            if why is not None:
                aside.append(SetAside(certificate, why))
                continue
            other = best.get(certificate.identity)
            if other is None or self._rank(certificate) < self._rank(other):
                best[certificate.identity] = certificate
        members, clashing = settled(sorted(best.values(), key=self._seniority))
        until = min((turn for turn in turns if turn > now), default=inf)
        return _Judged(MappingProxyType(members), (*aside, *clashing), self.changes, now, until)

    def _seniority(self, certificate: Certificate) -> tuple[bool, int, str]:
        """The owner's word first, then who is longer here; an issuer cannot date back beyond its own beginning."""
        since = certificate.since
        if not certificate.by_owner:
            issuer = self._certificates.get(certificate.issuer, {}).get(self.network.fingerprint)
            since = max(since, issuer.since if issuer is not None else since)
        return not certificate.by_owner, since, certificate.identity

    def _rank(self, certificate: Certificate) -> tuple[tuple[bool, int, str], int, bytes]:
        """Of certificates of several signers about one node the lowest counts."""
        return self._seniority(certificate), -certificate.not_before, certificate.digest


def _precedence(certificate: Certificate) -> tuple[int, int, str, int, int, bytes]:
    """Of certificates of one signer about one node the lowest counts: the last epoch, its first name, then the newest."""
    newest = -certificate.not_before, -certificate.serial
    return -certificate.epoch, certificate.since, certificate.name, *newest, certificate.digest

"""The family `member`: strangers prove to each other that they are members of one network, and members pass on what begins or
ends a membership.

    member.prove      request  proof of who asks (`certificate.read_proof`)   answer  {"known": …}, proof of who answers
    member.removed    message  a parcel of what ended the membership of whom it is sent to
    member.removals   request  first 8 bytes of the digests that are here     answer  {"more": …}, a parcel of what is not
    member.statement  request  a parcel of what is new                        answer  {}

**Two strangers** ask each other, each with its proof. Whoever is asked judges first and answers only a member, so an answer says
that the other side has this node as a peer; then whoever began the session makes an ordinary one over the same path. If only one
side is a stranger to the other (`known`), it is the one that asks, and that makes the session.

**Members** first fetch the removals that they have not got: a node that was away knows who was removed before it hears of others.
What is new later goes to all members that are connected at once, but to whom it came from. All else the roster brings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from appliance.api.peer_protocol import (
    NOTHING,
    Answer,
    Limits,
    NotConnected,
    PeerProtocolError,
    PeerProtocolKind,
    PeerProtocolServices,
    Refused,
)
from appliance.foundation.logging import get_logger, once_per
from appliance.members.certificate import read_proof
from appliance.members.network import identity_text
from appliance.members.parcel import pack_parcel, parcels, read_parcel
from appliance.members.revocation import Revocation
from appliance.members.statement import DIGEST_BYTES, StatementRefused, digest_of, read_head, split
from appliance.protocol.admission import TokenBucket
from appliance.runtime.node.strangers import is_stranger
from appliance.runtime.peers.table import Origin

if TYPE_CHECKING:
    from appliance.runtime.members.mesh import Mesh

log = get_logger("mesh")

FAMILY: Final = "member"
LIMITS: Final = Limits(messages=50.0, bytes=524_288.0)
"""Of statements that is a hundred a second, each with two signatures to verify: a thirtieth of a core."""
PROVE_SECONDS: Final = 4.0
"""A session with a stranger has five."""
TELL_SECONDS: Final = 4.0
"""How long an answer is waited for before it is told again: a removal has to arrive soon after an outage of any length."""
PROOFS_PER_SECOND: Final = 50.0
"""Proofs of strangers that are verified (0.6 ms each); what comes beyond is refused and may be tried again."""
BRIEF: Final = 8
"""Bytes of a digest by which somebody says what it has."""
MOST_BRIEF: Final = 1_800
"""As many as one message has room for. Of more, some are told that are known already."""
MOST_ROUNDS: Final = 2_048
"""Requests in a row: more than anybody can have to tell."""
MOST_WAITING: Final = 8_192
"""Statements that wait for one peer. The oldest goes; it learns of that by the roster."""
PAUSE: Final = 1.0
SAID_EVERY: Final = 60.0


def kind(mesh: Mesh) -> PeerProtocolKind:
    """See `runtime.members.families`."""
    return PeerProtocolKind(
        FAMILY, None, lambda _settings, services: MemberFamily(mesh, services), LIMITS, before_membership=True
    )


class MemberFamily:
    """The open family (`api.peer_protocol.PeerProtocol`)."""

    def __init__(self, mesh: Mesh, services: PeerProtocolServices) -> None:
        self._mesh = mesh
        self._services = services
        self._proofs = TokenBucket(PROOFS_PER_SECOND, 2 * PROOFS_PER_SECOND, mesh.parts.monotonic())
        self._waiting: dict[str, dict[bytes, bytes]] = {}
        """By peer: what is to be told to it, by digest. Each has a task that tells it."""
        self._hashed: tuple[int, Mapping[bytes, bytes]] = (-1, {})
        mesh.spread.append(self.spread)

    # ---- what comes ----

    def on_connected(self, peer: str) -> None:
        """A stranger is asked for its proof, a member for what it knows of removals."""
        if is_stranger(peer):
            self._services.spawn(self._introduce(peer), f"introduce {peer}")
        elif self._is_member(peer):
            self._services.spawn(self._catch_up(peer), f"catch up with {peer}")
        elif self._is_named(peer):
            self._services.spawn(self._exchange(peer), f"ask {peer} whether it is a member")

    def on_gone(self, peer: str) -> None:
        """Nothing waits for it any more."""
        self._waiting.pop(peer, None)

    def on_message(self, peer: str, kind: str, _content: Mapping[str, Any], body: bytes) -> None:
        """Somebody says why this node is no member any more."""
        if kind == "removed" and self._proofs.take(self._mesh.parts.monotonic()):
            self._take(peer, body)

    async def on_request(self, peer: str, kind: str, _content: Mapping[str, Any], body: bytes) -> Answer | None:
        """A peer or a stranger asks."""
        if kind == "prove":
            return self._prove(peer, body)
        if is_stranger(peer) or not self._is_member(peer):
            return None
        if kind == "removals":
            return self._lacking(body)
        if kind == "statement":
            self._take(peer, body)
            return Answer()
        return None

    # ---- proofs ----

    async def _introduce(self, stranger: str) -> None:
        proof = self._own_proof()
        if proof is None:
            return
        driver = self._mesh.parts.driver
        try:
            answer = await self._services.ask(stranger, "prove", NOTHING, proof, within=PROVE_SECONDS)
        except Refused:
            self._say(stranger, "does not take this node's certificate")
        except PeerProtocolError:
            self._mesh.counters["not-proved"] += 1
        else:
            if self._judge(stranger, answer.body):
                session = driver.node.peers.get(stranger)
                index = session.session if session is not None else None
                made_by_us = index is not None and driver.node.sessions[index].initiator
                if made_by_us or answer.content.get("known") is True:
                    driver.node.promote(stranger, self._mesh.parts.monotonic())
                    driver.settle()
                return
        driver.node.end_stranger(stranger, self._mesh.parts.monotonic())
        driver.settle()

    async def _exchange(self, peer: str) -> None:
        """A peer of the profile that is to be a member, too."""
        proof = self._own_proof()
        if proof is not None:
            with suppress(PeerProtocolError):  # it speaks nothing of this
                answer = await self._services.ask(peer, "prove", NOTHING, proof, within=TELL_SECONDS)
                self._take_proof(answer.body, peer)
                await self._catch_up(peer)

    def _prove(self, peer: str, body: bytes) -> Answer | None:
        own = self._own_proof()
        if own is None:
            return None
        if is_stranger(peer):
            return Answer({"known": False}, own) if self._judge(peer, body) else None
        self._take_proof(body, peer)  # it may have a newer certificate
        return Answer({"known": True}, own)

    def _judge(self, stranger: str, proof: bytes) -> bool:
        """Is it a member by this proof, and a peer of this node from now on?"""
        mesh = self._mesh
        if not self._proofs.take(self._mesh.parts.monotonic()):
            mesh.counters["busy"] += 1
            return False
        self._take_proof(proof, stranger)
        mesh.let_in(stranger)
        certificate = mesh.members().get(stranger)
        if certificate is None:
            self._say(stranger, self._objection(stranger, proof))
            self._tell_why(stranger)
            return False
        known = mesh.parts.peers.table.of_identity(stranger)
        if known is None:
            self._say(stranger, f"({certificate.name}) is a member, and no peer here")
            return False
        mesh.counters["proved"] += 1
        if known.origin is Origin.MEMBER:
            log.info("a stranger has proved that it is a member", member=known.name)
        return True

    def _objection(self, stranger: str, proof: bytes) -> str:
        """Why it is no member here."""
        if self._mesh.trust.revoked(stranger):
            return "was removed"
        with suppress(StatementRefused):
            if read_head(read_proof(proof)[-1]).network != self._mesh.trust.network.digest:
                return "is a member of another network, which may have the same label"
        return "has no good certificate of this network"

    def _tell_why(self, stranger: str) -> None:
        """Whoever was removed while it was away is not left to wonder."""
        ended = (each for each in self._mesh.trust.statements() if isinstance(each, Revocation) and stranger in each.subjects)
        if parcel := next(parcels(each.encoded for each in ended), None):
            with suppress(PeerProtocolError):
                self._services.send(stranger, "removed", NOTHING, pack_parcel(parcel))

    def _take_proof(self, proof: bytes, source: str) -> None:
        try:
            self._mesh.take_all(read_proof(proof), source)
        except StatementRefused as refused:
            self._mesh.counters[refused.reason] += 1

    def _own_proof(self) -> bytes | None:
        """None: this node is no member at the moment, and proves nothing."""
        mesh = self._mesh
        return mesh.trust.proof_of(mesh.own) if mesh.own in mesh.members() else None

    def _say(self, stranger: str, what: str) -> None:
        self._mesh.counters["not-proved"] += 1
        if times := once_per(SAID_EVERY, f"mesh {what}"):
            log.warning("a node is no member here", node=stranger, reason=f"it {what}", times=times)

    # ---- removals first ----

    async def _catch_up(self, peer: str) -> None:
        for _ in range(MOST_ROUNDS):
            have = b"".join(list(self._removals())[-MOST_BRIEF:])
            try:
                answer = await self._services.ask(peer, "removals", NOTHING, have, within=TELL_SECONDS)
            except PeerProtocolError:  # it is gone, or has no answer; another one has
                return
            new = self._take(peer, answer.body)
            if not new or answer.content.get("more") is not True:
                return

    def _lacking(self, have: bytes) -> Answer:
        """As many as fit of the removals that are known here and not there."""
        there = {have[at : at + BRIEF] for at in range(0, len(have), BRIEF)}
        lacking = [each for brief, each in self._removals().items() if brief not in there]
        first = next(parcels(lacking), [])
        return Answer({"more": len(first) < len(lacking)}, pack_parcel(first))

    def _removals(self) -> Mapping[bytes, bytes]:
        """Those that are known here, by the start of their digests; hashed once, as a peer may ask fifty times a second."""
        changes = self._mesh.trust.changes
        if self._hashed[0] != changes:
            self._hashed = changes, {_digest(each)[:BRIEF]: each for each in self._mesh.removals()}
        return self._hashed[1]

    # ---- what is new ----

    def _take(self, peer: str, body: bytes) -> int:
        try:
            statements = list(read_parcel(body))
        except StatementRefused as refused:
            self._mesh.counters[refused.reason] += 1
            return 0
        return self._mesh.take_all(statements, peer)

    def spread(self, statement: bytes, source: str | None) -> None:
        """Something is new here: tell all members that are connected."""
        issuer = self._issuer_of(statement)
        for peer in self._services.peers():
            if peer != source and not is_stranger(peer) and self._is_member(peer):
                self._tell(peer, (*issuer, statement))

    def _issuer_of(self, statement: bytes) -> tuple[bytes, ...]:
        """The certificate of its signer, without which nobody can judge it."""
        head = read_head(statement)
        signers = () if head.by_owner else self._mesh.trust.certificates(identity_text(head.signer))
        return tuple(each.encoded for each in signers if each.scope is not None and each.by_owner)

    def _tell(self, peer: str, statements: Iterable[bytes]) -> None:
        waiting = self._waiting.get(peer)
        if waiting is None:
            waiting = self._waiting[peer] = {}
            self._services.spawn(self._tell_all(peer, waiting), f"tell {peer}")
        for each in statements:
            waiting[_digest(each)] = each
        while len(waiting) > MOST_WAITING:
            del waiting[next(iter(waiting))]
            self._mesh.counters["not-told"] += 1

    async def _tell_all(self, peer: str, waiting: dict[bytes, bytes]) -> None:
        while waiting and self._waiting.get(peer) is waiting:
            parcel = next(parcels(waiting.values()))
            try:
                await self._services.ask(peer, "statement", NOTHING, pack_parcel(parcel), within=TELL_SECONDS)
            except (NotConnected, Refused):
                break
            except PeerProtocolError:  # too much at once, or lost: again
                await self._services.sleep(PAUSE * (1 + self._services.jitter()))
                continue
            for each in parcel:
                waiting.pop(_digest(each), None)
        if self._waiting.get(peer) is waiting:
            del self._waiting[peer]

    def _is_member(self, peer: str) -> bool:
        return self._mesh.member(peer) is not None

    def _is_named(self, peer: str) -> bool:
        entry = self._mesh.parts.peers.table.get(peer)
        return entry is not None and entry.identity in {named.identity for named in self._mesh.settings.bootstrap}


def _digest(statement: bytes) -> bytes:
    """What it is known by here: of two signatures of the same words either will do."""
    head = read_head(statement)
    try:
        return digest_of(head, split(statement, head.kind)[1])
    except StatementRefused:
        return statement[-DIGEST_BYTES:]

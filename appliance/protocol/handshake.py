"""One handshake, SIGMA-I with three messages: messages in, messages and finally session keys out. Knows no links and no time.

    Initiator                                   Responder
      ClientHello  ──────────────────────────▶   chooses, answers the key exchange
                   ◀──────────────────────────  ServerHello {identity, signature}
      checks the identity it wants to reach
      ClientFinish {identity, signature} ─────▶  looks the identity up, checks it
      Established                                Established

What is in braces is sealed. A message that fails leaves the handshake as it was, so that a forged one cannot end it. A proof's
signatures are checked before anybody asks whose they are: otherwise the time that takes would tell whom this node knows.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from appliance.errors import LocalFault, PeerFault
from appliance.protocol.exchange import Kex, KeyAgreement, Shares
from appliance.protocol.identity import Identity
from appliance.protocol.schedule import KeySchedule, UnverifiedProof
from appliance.wire.faults import Fault
from appliance.wire.hello import RANDOM_BYTES, ClientHello, ServerHello

Entropy = Callable[[int], bytes]
"""`entropy(n)` gives n unpredictable bytes."""


class Pq(Enum):
    """What to demand of a key exchange."""

    REQUIRED = "required"
    PREFER = "prefer"
    OFF = "off"

    @property
    def kex(self) -> tuple[Kex, ...]:
        """Acceptable key exchanges, most wanted first."""
        return _KEX[self]


_KEX = {
    Pq.REQUIRED: (Kex.X25519_MLKEM1024,),
    Pq.PREFER: (Kex.X25519_MLKEM1024, Kex.X25519),
    Pq.OFF: (Kex.X25519,),
}


class Stage(Enum):
    """Where a handshake stands."""

    HELLO_SENT = "hello sent"
    FINISHED = "finished"
    ABANDONED = "abandoned"


MOVES = {
    Stage.HELLO_SENT: frozenset({Stage.FINISHED, Stage.ABANDONED}),
    Stage.FINISHED: frozenset[Stage](),
    Stage.ABANDONED: frozenset[Stage](),
}


class Policy(NamedTuple):
    """What one side offers or accepts."""

    pq: Pq
    suites: tuple[int, ...]
    """Numbers on the wire, most wanted first."""


class Established(NamedTuple):
    """What both sides agree on when a handshake is finished."""

    local_index: int
    """Our index of the session."""
    remote_index: int
    """The other side's."""
    session_id: UUID
    peer: str
    """The other side's fingerprint."""
    suite: int
    """Its number on the wire."""
    pq: bool
    """The key exchange was post-quantum."""
    send_chain: bytes
    """Secret: 64 bytes, for the `Ratchet` that seals."""
    receive_chain: bytes
    """Secret: 64 bytes, for the `Ratchet` that opens."""
    exporter: bytes
    """Secret: 32 bytes, see `KeySchedule.exporter`."""


class Initiator:
    """The side that calls. `hello` is its first message."""

    def __init__(
        self, policy: Policy, index: int, identity: Identity, expected: str | None, entropy: Entropy, agreement: KeyAgreement
    ) -> None:
        """`index` is the session index for the other side to write to us; `expected` the fingerprint that must answer. None takes
        whoever answers: for diagnosis, never for traffic."""
        self.stage = Stage.HELLO_SENT
        self._identity = identity
        self._expected = expected
        self._keys = agreement.offer(pq=Kex.X25519_MLKEM1024 in policy.pq.kex)
        shares = self._keys.shares
        self.hello = ClientHello(
            index, entropy(RANDOM_BYTES), shares.x25519, shares.mlkem, tuple(map(int, policy.pq.kex)), policy.suites
        )

    def finish(self, server: ServerHello) -> tuple[bytes, Established]:
        """The sealed proof to send, and the session. Raises PeerFault; the handshake goes on then."""
        if self.stage is not Stage.HELLO_SENT:
            raise LocalFault(f"a handshake that is {self.stage.value} takes no hello")
        if server.kex not in self.hello.kex or server.suite not in self.hello.suites:
            raise PeerFault(Fault.DOWNGRADE)
        secret = self._keys.finish(Kex(server.kex), Shares(server.x25519, server.mlkem))
        schedule = KeySchedule(self.hello, server, secret)
        proof = schedule.open_proof(server.sealed, initiator=False)
        proof.verify()
        if self._expected not in (None, proof.identity.fingerprint):
            raise PeerFault(Fault.WRONG_IDENTITY)
        session_id = _session_id(server.session_id)
        sealed = schedule.seal_proof(self._identity, initiator=True)
        exporter = schedule.exporter()
        client_chain, server_chain = schedule.chains()
        self._move(Stage.FINISHED)
        return sealed, Established(
            self.hello.session_index,
            server.session_index,
            session_id,
            proof.identity.fingerprint,
            server.suite,
            server.kex == Kex.X25519_MLKEM1024,
            client_chain,
            server_chain,
            exporter,
        )

    def abandon(self) -> None:
        """Let go of the secrets."""
        if self.stage is Stage.HELLO_SENT:
            self._move(Stage.ABANDONED)

    def _move(self, to: Stage) -> None:
        self.stage = _moved(self.stage, to)
        self._keys.wipe()


class Responder:
    """The side that is called. `hello` is its answer; making it costs a key exchange and a signature (2 to 3 ms)."""

    def __init__(
        self, policy: Policy, index: int, identity: Identity, client: ClientHello, entropy: Entropy, agreement: KeyAgreement
    ) -> None:
        """Raises PeerFault when nothing that `client` offers is acceptable, or its shares are bad."""
        kex, suite = choose(policy, client)
        shares, secret = agreement.answer(kex, Shares(client.x25519, client.mlkem))
        session_id = UUID(bytes=entropy(16), version=4).bytes
        unsealed = ServerHello(index, session_id, entropy(RANDOM_BYTES), shares.x25519, kex, suite, shares.mlkem, b"")
        self.stage = Stage.HELLO_SENT
        self._client = client
        self._schedule: KeySchedule | None = KeySchedule(client, unsealed, secret)
        self.hello = unsealed._replace(sealed=self._schedule.seal_proof(identity, initiator=False))

    def open(self, sealed: bytes) -> UnverifiedProof:
        """What the initiator sealed. Takes microseconds. Raises PeerFault if somebody else made it; the handshake goes on."""
        if self._schedule is None:
            raise LocalFault(f"a handshake that is {self.stage.value} takes no proof")
        return self._schedule.open_proof(sealed, initiator=True)

    def finish(self, proof: UnverifiedProof, known: Callable[[str], bool]) -> Established:
        """The session, if the proof is good and of an identity that is `known`. Raises PeerFault if not: that is the initiator's
        own fault, since nobody else could seal the proof."""
        if self._schedule is None:
            raise LocalFault(f"a handshake that is {self.stage.value} takes no proof")
        proof.verify()
        if not known(proof.identity.fingerprint):
            raise PeerFault(Fault.UNKNOWN_IDENTITY)
        exporter = self._schedule.exporter()
        client_chain, server_chain = self._schedule.chains()
        self._move(Stage.FINISHED)
        return Established(
            self.hello.session_index,
            self._client.session_index,
            UUID(bytes=self.hello.session_id),
            proof.identity.fingerprint,
            self.hello.suite,
            self.hello.kex == Kex.X25519_MLKEM1024,
            server_chain,
            client_chain,
            exporter,
        )

    def abandon(self) -> None:
        """Let go of the secrets."""
        if self.stage is Stage.HELLO_SENT:
            if self._schedule is not None:
                self._schedule.wipe()
            self._move(Stage.ABANDONED)

    def _move(self, to: Stage) -> None:
        self.stage = _moved(self.stage, to)
        self._schedule = None


def choose(policy: Policy, client: ClientHello) -> tuple[Kex, int]:
    """The responder's most wanted key exchange and suite of those offered. Raises PeerFault when there are none."""
    kex = next((kex for kex in policy.pq.kex if kex in client.kex), None)
    if kex is None:
        raise PeerFault(Fault.PQ_REQUIRED if policy.pq is Pq.REQUIRED else Fault.NO_COMMON_KEX)
    if kex is Kex.X25519_MLKEM1024 and not client.mlkem:
        raise PeerFault(Fault.BAD_SHARE)
    suite = next((suite for suite in policy.suites if suite in client.suites), None)
    if suite is None:
        raise PeerFault(Fault.NO_COMMON_SUITE)
    return kex, suite


def _session_id(encoded: bytes) -> UUID:
    session_id = UUID(bytes=encoded)
    if session_id.version != 4:
        raise PeerFault(Fault.BAD_SESSION_ID)
    return session_id


def _moved(stage: Stage, to: Stage) -> Stage:
    if to not in MOVES[stage]:
        raise LocalFault(f"a handshake that is {stage.value} cannot become {to.value}")
    return to

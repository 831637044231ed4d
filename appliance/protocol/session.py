"""A session as the control side sees it: whose, which path, how alive. Its keys are in the worker only.

HANDSHAKING ──▶ ACTIVE ──▶ DISCONNECTING ──▶ CLOSED        (also HANDSHAKING ─▶ CLOSED, ACTIVE ─▶ CLOSED)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import inf
from uuid import UUID

from appliance.api.crypto import CryptoSuite
from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.errors import LocalFault
from appliance.protocol.events import LinkId, Path
from appliance.protocol.ways import Ways

RTT_WEIGHT = 1 / 8
"""Of a new sample in the smoothed round-trip time (RFC 6298, section 2)."""


PROBATION_SECONDS = 5.0
"""How long a session may last that is not `proved`: two messages and two signatures, over any path that works at all."""


class SessionState(Enum):
    """Where a session stands."""

    HANDSHAKING = "handshaking"
    """We have the keys; the peer has not yet shown that it has them."""
    ACTIVE = "active"
    """It carries traffic both ways."""
    DISCONNECTING = "disconnecting"
    """Another session carries the traffic; what still comes for this one is opened."""
    CLOSED = "closed"
    """Its keys are gone."""


MOVES = {
    SessionState.HANDSHAKING: frozenset({SessionState.ACTIVE, SessionState.CLOSED}),
    SessionState.ACTIVE: frozenset({SessionState.DISCONNECTING, SessionState.CLOSED}),
    SessionState.DISCONNECTING: frozenset({SessionState.CLOSED}),
    SessionState.CLOSED: frozenset[SessionState](),
}


@dataclass(slots=True)
class Session:
    """One session. Times are the node's monotonic seconds.

    A session that is `suspect`, `due` or `elsewhere` still carries traffic, but its peer may be called meanwhile.
    """

    index: int
    """Our index: the peer writes it into its headers."""
    remote_index: int
    """The peer's index: we write it into ours."""
    peer: str
    """The peer's name."""
    session_id: UUID
    suite: CryptoSuite
    pq: bool
    """The key exchange was post-quantum."""
    initiator: bool
    """We called."""
    link: LinkId
    to: SocketAddress | None
    """The far end; None on a link that has only one."""
    endpoint: Endpoint | None
    """The far end, in the form of a profile; None if it is not known."""
    started: float
    """When its handshake began on this side."""
    since: float
    """When it became active; before that, when we had its keys."""
    last_heard: float
    """When the last authentic packet came."""
    state: SessionState = SessionState.HANDSHAKING
    rtt: float | None = None
    """Smoothed round-trip time in seconds; None until the first was measured."""
    received: int = 0
    """Authentic records so far, as the worker counts them."""
    probes: int = 0
    """KeepAlives sent since the last sign of life."""
    suspect: bool = False
    """None of several KeepAlives was answered."""
    due: bool = False
    """It is to be replaced by one with new keys, over its peer's most wanted endpoint."""
    elsewhere: bool = False
    """Its peer's endpoints were edited, and it goes over none of them: they are tried beside it, each once."""
    probe_token: int = 0
    """The token of the last KeepAlive that asked for a sign of life. 0: it was answered."""
    probe_sent: float = 0.0
    confirm_sent: float = 0.0
    """When we last confirmed the session to a peer that called."""
    expires: float = inf
    """When it ends, unless another has replaced it by then."""
    datagram: int = 0
    """Bytes of the datagrams that its handshake got through in; 0 on streams."""
    challenged: dict[Path, int] = field(default_factory=dict)
    """Other paths that its records came by, with the token that was sent there."""
    ways: Ways | None = None
    """Its other paths, once one was tried."""
    aside: int = 0
    """Records that came by other paths and say nothing about its own, since its activity was last told."""
    compression: bool = False
    """We take compressed packets."""
    compressing: bool = False
    """The peer takes compressed packets."""
    said: int = 0
    """How often we have repeated that we take them."""
    proved: bool = True
    """It is with a peer of this node. A stranger on probation (`protocol.probation`) may say only what families allow before
    membership."""
    exporter: bytearray = field(default_factory=bytearray, repr=False)
    """Secret: 32 bytes that both ends of the session know and nobody else (`KeySchedule.exporter`). Kept by nodes that take
    strangers, who prove something with it; else empty."""

    def move(self, to: SessionState) -> None:
        """Enter state `to`. Raises LocalFault when the table does not allow it."""
        if to not in MOVES[self.state]:
            raise LocalFault(f"a session that is {self.state.value} cannot become {to.value}")
        self.state = to

    def wipe(self) -> None:
        """Nobody wants the exporter: overwrite it."""
        self.exporter[:] = bytes(len(self.exporter))
        self.exporter.clear()

    def heard(self, now: float) -> None:
        """An authentic packet came."""
        self.last_heard = now
        self.probes = 0
        self.suspect = False

    def measured(self, sample: float) -> None:
        """A round trip took `sample` seconds."""
        self.rtt = sample if self.rtt is None else self.rtt + RTT_WEIGHT * (sample - self.rtt)

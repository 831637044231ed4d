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

RTT_WEIGHT = 1 / 8
"""Of a new sample in the smoothed round-trip time (RFC 6298, section 2)."""


class SessionState(Enum):
    """HANDSHAKING: we have keys, the peer has not shown that it has them. DISCONNECTING: receives only, because another session
    has taken over."""

    HANDSHAKING = "handshaking"
    ACTIVE = "active"
    DISCONNECTING = "disconnecting"
    CLOSED = "closed"


MOVES = {
    SessionState.HANDSHAKING: frozenset({SessionState.ACTIVE, SessionState.CLOSED}),
    SessionState.ACTIVE: frozenset({SessionState.DISCONNECTING, SessionState.CLOSED}),
    SessionState.DISCONNECTING: frozenset({SessionState.CLOSED}),
    SessionState.CLOSED: frozenset[SessionState](),
}


@dataclass(slots=True)
class Session:
    """Times are the node's monotonic seconds: `started` when its handshake began on this side, `since` when it became active,
    `expires` when it ends unless another has replaced it. A session that is `suspect` (no sign of life), `due` (for new keys)
    or `elsewhere` does not keep its peer from being called. `datagram` is how long the datagrams were that its handshake got
    through in (0 on streams). `challenged`: other paths that its records came by, and the token sent there. `compression`: we
    take compressed packets (and repeated that `said` times); `compressing`: the peer does."""

    index: int
    remote_index: int
    peer: str
    session_id: UUID
    suite: CryptoSuite
    pq: bool
    initiator: bool
    link: LinkId
    to: SocketAddress | None
    endpoint: Endpoint | None
    started: float
    since: float
    last_heard: float
    state: SessionState = SessionState.HANDSHAKING
    rtt: float | None = None
    received: int = 0
    probes: int = 0
    suspect: bool = False
    due: bool = False
    elsewhere: bool = False
    """Its peer's endpoints were edited, and it goes over none of them: they are tried beside it, each once."""
    probe_token: int = 0
    probe_sent: float = 0.0
    confirm_sent: float = 0.0
    expires: float = inf
    datagram: int = 0
    challenged: dict[Path, int] = field(default_factory=dict)
    compression: bool = False
    compressing: bool = False
    said: int = 0
    proved: bool = True
    """Has the peer proved that it is a member? One of the profile did so by its handshake. Until then it may say only what its
    family allows before membership."""

    def move(self, to: SessionState) -> None:
        """Enter state `to`. Raises LocalFault when the table does not allow it."""
        if to not in MOVES[self.state]:
            raise LocalFault(f"a session that is {self.state.value} cannot become {to.value}")
        self.state = to

    def heard(self, now: float) -> None:
        """An authentic packet came."""
        self.last_heard = now
        self.probes = 0
        self.suspect = False

    def measured(self, sample: float) -> None:
        """A round trip took `sample` seconds."""
        self.rtt = sample if self.rtt is None else self.rtt + RTT_WEIGHT * (sample - self.rtt)

"""What a node is told: policy and limits, and of each peer what matters here. Plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.api.values import Endpoint


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """A peer that may have a session."""

    name: str
    """Its name in the profile."""
    identity: str
    """Its fingerprint, `llp1:…`: only the node that has this identity is accepted."""
    endpoints: tuple[Endpoint, ...] = ()
    """Where it can be reached, tried in this order. Empty: we wait until the peer calls us."""
    keepalive: float = 10.0
    """Seconds of silence after which we ask whether it is still there. 0: never; then it is called when traffic wants it, and
    the session ends when it is idle."""
    compression: bool = False
    """We take compressed packets from it, and send compressed ones once it has said that it takes them too."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Policy and limits of a node."""

    suites: tuple[str, ...] = ("aes-256-gcm", "chacha20-poly1305")
    """Names of the suites that may be used, most wanted first."""
    pq: str = "required"
    """Post-quantum key exchange: "required", "prefer" or "off"."""
    rotate_after: float = 600.0
    """Seconds after which a new handshake replaces a session."""
    max_sessions: int = 1000
    idle: float = 60.0
    """Seconds without an authentic packet after which a session is dead."""
    handshakes_per_second: int = 200
    """Handshakes of strangers that are worked on in a second."""
    reassembly_bytes: int = 1 << 20
    """Bytes that all unfinished handshake messages may take together. The default holds a hundred ServerHellos."""
    probation: int = 0
    """Strangers at a time that may have a session for a few seconds (`protocol.probation`). 0: none ever has one."""

"""What a node is told: its peers, policy and limits. Plain frozen values; the daemon makes them from the profile."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.api.values import Endpoint


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """A peer that may have a session. `identity` is its fingerprint; `endpoints` are tried in order and may be none (then the
    peer calls us); `keepalive` is after how many seconds of silence we ask whether it is there (0: never). `compression`: packets
    from it may come compressed, and those to it are when it says the same."""

    name: str
    identity: str
    endpoints: tuple[Endpoint, ...] = ()
    keepalive: float = 10.0
    compression: bool = False


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Peers, policy and limits; times in seconds.

    `suites` are names, most wanted first; `pq` is "required", "prefer" or "off". A session is renewed by a new handshake
    `rotate_after` seconds after it began, and is dead after `idle` seconds without an authentic packet. `reassembly_bytes`
    bounds all unfinished handshake messages together; the default is a hundred ServerHellos.
    """

    peers: tuple[PeerSettings, ...] = ()
    suites: tuple[str, ...] = ("aes-256-gcm", "chacha20-poly1305")
    pq: str = "required"
    rotate_after: float = 600.0
    max_sessions: int = 1000
    idle: float = 60.0
    handshakes_per_second: int = 200
    reassembly_bytes: int = 1 << 20

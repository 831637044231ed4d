"""Two nodes that know each other, on a simulated network: the start of most tests of the protocol.

pair = Pair(Network(loss=0.1)).connect()
pair.a.send("b", b"hello")
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from appliance.api.values import Endpoint
from appliance.protocol.identity import Identity
from appliance.protocol.session import Session
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.network import Network
from appliance.testing.simulated_host import SimulatedHost

HOSTS = {"a": "198.51.100.1", "b": "203.0.113.2"}
PORT = 8443
CONNECT_SECONDS = 30.0


def identity_of(name: str) -> Identity:
    """Always the same identity for the same name."""
    return Identity.from_seeds(*(sha256(f"{half} {name}".encode()).digest() for half in ("ed25519", "mldsa")))


class Pair:
    """`a` calls `b`; with `both`, `b` calls `a` too. Settings of either side, and its `peers`, can be overridden."""

    def __init__(
        self,
        network: Network | None = None,
        *,
        scheme: str = "udp",
        both: bool = False,
        keepalive: float = 10.0,
        a: dict[str, Any] | None = None,
        b: dict[str, Any] | None = None,
        datagram_bytes: int = 1400,
        adapts: bool = False,
    ) -> None:
        self.network = network or Network()
        self.endpoints = {name: Endpoint(scheme, host, PORT) for name, host in HOSTS.items()}
        known = {"a": (self._peer("b", keepalive, called=True),), "b": (self._peer("a", keepalive, called=both),)}
        given = {"a": {"peers": known["a"], **(a or {})}, "b": {"peers": known["b"], **(b or {})}}
        self.peers: dict[str, tuple[PeerSettings, ...]] = {side: tuple(words.pop("peers")) for side, words in given.items()}
        """What each side knows of the other when it is started."""
        self.settings = {side: NodeSettings(**words) for side, words in given.items()}
        self._datagram_bytes = datagram_bytes
        self._adapts = adapts
        self.b = self.start("b")
        self.a = self.start("a")

    def start(self, name: str) -> SimulatedHost:
        """A fresh process of one side, as after a restart."""
        return SimulatedHost(
            self.network,
            HOSTS[name],
            self.settings[name],
            identity_of(name),
            peers=self.peers[name],
            listen=(self.endpoints[name],),
            datagram_bytes=self._datagram_bytes,
            adapts=self._adapts,
        )

    def connect(self) -> Pair:
        """Wait until both can send."""
        assert self.network.run_until(self.connected, CONNECT_SECONDS), "the pair does not connect"
        return self

    def connected(self) -> bool:
        """Can both sides send?"""
        return self.a.connected("b") and self.b.connected("a")

    def session(self, name: str) -> Session:
        """The session that carries the traffic of side `name`."""
        host = self.a if name == "a" else self.b
        (peer,) = host.node.peers.values()
        assert peer.session is not None, f"{name} has no session"
        return host.node.sessions[peer.session]

    def _peer(self, name: str, keepalive: float, *, called: bool) -> PeerSettings:
        return PeerSettings(name, identity_of(name).fingerprint, (self.endpoints[name],) if called else (), keepalive)

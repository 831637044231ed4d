"""What everything that looks for paths needs of the node: its sessions, its sockets for datagrams, and a way to send probes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.api.values import Endpoint, Network
from appliance.foundation import clock
from appliance.members.candidates import SCHEME, ProbeBudget

if TYPE_CHECKING:
    from appliance.api.peer_protocol import PeerProtocolServices
    from appliance.protocol.session import Session
    from appliance.runtime.links.extra_ports import ExtraPorts
    from appliance.runtime.links.loops import Refuses
    from appliance.runtime.links.table import Link, Links
    from appliance.runtime.node.driver import NodeDriver


@dataclass(frozen=True, slots=True)
class Around:
    """What is around the search for paths."""

    fingerprint: str
    """This node's."""
    driver: NodeDriver
    links: Links
    refuses: Refuses
    overlay: Callable[[], Sequence[Network]]
    """The networks inside of the tunnel."""
    announced: Callable[[], Sequence[Endpoint]]
    """What the profile says besides."""
    ports: ExtraPorts
    maps_ports: Callable[[], bool]
    """Does the profile let the router be asked for a port?"""
    idle: Callable[[], float]
    """Seconds without a packet after which a session ends."""
    mark: int | None
    """The firewall mark of what goes outside; None: there is none."""


class Hands:
    """Those of one node."""

    def __init__(self, services: PeerProtocolServices, around: Around) -> None:
        self.services = services
        self.around = around
        self.node = around.driver.node
        self.budget = ProbeBudget(clock.monotonic())

    def session(self, peer: str) -> Session | None:
        """That which carries the peer's traffic."""
        known = self.node.peers.get(peer)
        return None if known is None or known.session is None else self.node.sessions.get(known.session)

    def is_direct(self, peer: str) -> bool:
        """Does it go over datagrams, without a relay?"""
        session = self.session(peer)
        return session is not None and session.endpoint is not None and session.endpoint.scheme == SCHEME

    def listeners(self, version: int) -> list[Link]:
        """The sockets by which strangers come in, over IPv4 (4) or IPv6 (6)."""
        return self.around.links.listeners(SCHEME, version)

    def listener_for(self, target: Endpoint) -> Link | None:
        """The one that reaches `target`."""
        return next(iter(self.listeners(6 if ":" in target.host else 4)), None)

    def probe(self, peer: str, link: int, target: Endpoint) -> int:
        """Send a token, unless the host there has had its share. Returns it, 0 for none."""
        now = clock.monotonic()
        if not self.budget.take(target.host, now):
            return 0
        return self.node.probe_path(peer, link, (target.host, target.port), now)

    def settle(self) -> None:
        """Let what was wanted of the node happen."""
        self.around.driver.settle()

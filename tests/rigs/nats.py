"""The kinds of NAT of the lab as pure machines, and two simulated nodes behind them that look for a direct path.

network = Network(latency=0.025)
put_behind(network, "10.1.0.2", "203.0.113.1", "port-restricted")
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from appliance.api.values import Endpoint
from appliance.members.punching import Agree, Punching, Take
from appliance.protocol.events import PathAsked, PathProved
from appliance.protocol.session import Session
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.network import Address, Nat, Network
from appliance.testing.pair import PORT, identity_of
from appliance.testing.simulated_host import SimulatedHost

HTTPS = 443
LISTENER = 1
"""The number of each host's UDP link."""
SEERS: tuple[Address, ...] = (("192.0.2.1", 9), ("192.0.2.65", 9), ("198.51.100.9", 9))
"""Who tells a node where it sees it: other members, in networks of their own."""


class Router(Nat):
    """A NAT by its answers to the questions of RFC 4787. `mapping`: "same" (one port, kept), "random" or "sequential" (another
    one for each far end). `lets_in`: "any", "address", "port". `plain`: an unsolicited packet takes a mapping's port, as it does
    with Linux' masquerade. `only`: the only far port that is let out; 0: none is."""

    def __init__(
        self,
        network: Network,
        inside: str,
        outside: str,
        *,
        mapping: str,
        lets_in: str,
        plain: bool = False,
        only: int | None = None,
    ) -> None:
        super().__init__(inside, outside, itertools.count(20000))
        self._network = network
        self._mapping = mapping
        self._lets_in = lets_in
        self._plain = plain
        self._only = only
        self._flows: dict[tuple[Address, Address], int] = {}
        self._ports_taken: dict[int, Address] = {}
        self._strangers: set[tuple[Address, int]] = set()
        self._moved: dict[Address, int] = {}

    def outbound(self, source: Address, to: Address) -> Address | None:
        if self._only is not None and to[1] != self._only:
            return None
        flow = source, to
        if flow not in self._flows:
            self._flows[flow] = self._new_port(source, to)
            self._ports_taken[self._flows[flow]] = source
        return self.outside, self._flows[flow]

    def inbound(self, source: Address, to: Address) -> Address | None:
        inside = self._ports_taken.get(to[1])
        allowed = inside is not None and any(
            port == to[1] and _lets(self._lets_in, remote, source) for (_, remote), port in self._flows.items()
        )
        if allowed:
            return inside
        if self._plain:
            self._strangers.add((source, to[1]))
        return None

    def _new_port(self, source: Address, to: Address) -> int:
        if self._mapping == "random":
            return self._network.random.randrange(1024, 65536)
        if self._mapping == "sequential":
            return next(self._ports)
        port = self._moved.get(source, source[1])
        if (to, port) in self._strangers:
            port = self._moved[source] = self._network.random.randrange(1024, 65536)
        return port


def _lets(kind: str, remote: Address, source: Address) -> bool:
    return kind == "any" or (remote[0] == source[0] if kind == "address" else remote == source)


KINDS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "one-to-one": [{"mapping": "same", "lets_in": "any"}],
    "full-cone": [{"mapping": "same", "lets_in": "any"}],
    "double full-cone": [{"mapping": "same", "lets_in": "any"}] * 2,
    "address-restricted": [{"mapping": "same", "lets_in": "address"}],
    "port-restricted": [{"mapping": "same", "lets_in": "port"}],
    "firewall": [{"mapping": "same", "lets_in": "port"}],
    "cgnat": [{"mapping": "same", "lets_in": "port"}],
    "double": [{"mapping": "same", "lets_in": "port"}] * 2,
    "plain": [{"mapping": "same", "lets_in": "port", "plain": True}],
    "symmetric": [{"mapping": "random", "lets_in": "port"}],
    "sequential": [{"mapping": "sequential", "lets_in": "port"}],
    "double symmetric": [{"mapping": "same", "lets_in": "port"}, {"mapping": "random", "lets_in": "port"}],
    "udp-blocked": [{"mapping": "same", "lets_in": "port", "only": 0}],
    "only-443": [{"mapping": "same", "lets_in": "port", "only": HTTPS}],
}
"""The fifteen kinds that were measured with the kernel's NATs, the host's own router first."""


def put_behind(network: Network, inside: str, outside: str, kind: str) -> None:
    """Put a host behind the routers of a kind."""
    between = [inside, *(f"{outside}~{number}" for number in range(len(KINDS[kind]) - 1)), outside]
    routers = [Router(network, near, far, **words) for near, far, words in zip(between, between[1:], KINDS[kind], strict=False)]
    if routers:
        network.put_behind(inside, routers)


class Seeker:
    """A node with its search for one peer: what `runtime.members.paths` does, in virtual time."""

    def __init__(self, network: Network, name: str, other: str, host: str, at: tuple[Endpoint, ...]) -> None:
        self.network = network
        self.other = other
        self.address = (host, PORT)
        mine, theirs = identity_of(name).fingerprint, identity_of(other).fingerprint
        listen = (Endpoint("udp", host, PORT), Endpoint("tcp", host, PORT))
        peer = PeerSettings(other, theirs, at)
        self.host = SimulatedHost(network, host, NodeSettings(), identity_of(name), peers=(peer,), listen=listen)
        self.host.paths_listener = self._hear
        self.machine = Punching(leads=mine < theirs)
        self.peer: Seeker
        self._path: Endpoint | None = None
        self._due: float | None = None
        network.clock.call_later(0.1, self._watch)

    @property
    def session(self) -> Session | None:
        """That with the peer."""
        index = self.host.node.peers[self.other].session
        return None if index is None else self.host.node.sessions[index]

    @property
    def scheme(self) -> str:
        """What the session goes over; "" without one."""
        session = self.session
        return "" if session is None or session.endpoint is None else session.endpoint.scheme

    def candidates(self) -> list[Endpoint]:
        """Where others see it, and its own address."""
        seen = [self.network.seen_from(self.address, seer) for seer in SEERS]
        found = [Endpoint("udp", *at) for at in seen if at is not None]
        return list(dict.fromkeys([*found[:2], Endpoint("udp", *self.address)]))

    def begin(self, targets: list[Endpoint], wait: float) -> bool:
        """A round begins."""
        done = self.machine.handle_agreed(targets, wait, self.network.now)
        self.turn()
        return done

    def turn(self) -> None:
        """Do what the machine wants."""
        while (event := self.machine.poll_event()) is not None:
            if isinstance(event, Agree):
                self.network.clock.call_later(self.network.latency, partial(self._asked, self.candidates()))
            elif isinstance(event, Take):
                self.host.node.take_path(self.other, event.endpoint, self.network.now)
        while (target := self.machine.poll_probe()) is not None:
            self.host.node.probe_path(self.other, LISTENER, (target.host, target.port), self.network.now)
        self.host.pump()
        due = self.machine.poll_timeout()
        if due is not None and due != self._due:
            self._due = due
            self.network.clock.call_at(due, self._timeout)

    def _timeout(self) -> None:
        session, self._due = self.session, None
        self.machine.handle_timeout(self.network.now, None if session is None else session.rtt)
        self.turn()

    def _asked(self, mine: list[Endpoint]) -> None:
        theirs = self.peer.candidates()
        if self.peer.begin(mine, self.network.latency):
            self.network.clock.call_later(self.network.latency, lambda: self.begin(theirs, 0.0))

    def _hear(self, event: PathAsked | PathProved) -> None:
        if isinstance(event, PathProved):
            self.machine.handle_proved(event.endpoint, event.rtt, self.network.now)
        elif event.source is not None:
            self.machine.handle_asked(Endpoint("udp", *event.source))
        self.network.clock.call_later(0.0, self.turn)

    def _watch(self) -> None:
        """Twenty times a second: did the session move?"""
        session = self.session
        path = None if session is None else session.endpoint
        if path != self._path:
            self._path = path
            self.machine.handle_path(path, self.network.now)
            self.turn()
        self.network.clock.call_later(0.05, self._watch)


def seekers(network: Network, left: str, right: str) -> tuple[Seeker, Seeker]:
    """Two nodes behind NATs of these kinds; the first calls the second by a stream that goes round the NATs, as a relay does."""
    inside = ("10.1.0.2" if KINDS[left] else "203.0.113.1", "10.2.0.2" if KINDS[right] else "203.0.113.2")
    put_behind(network, inside[0], "203.0.113.1", left)
    put_behind(network, inside[1], "203.0.113.2", right)
    two = Seeker(network, "b", "a", inside[1], ())
    one = Seeker(network, "a", "b", inside[0], (Endpoint("tcp", inside[1], PORT),))
    one.peer, two.peer = two, one
    return one, two

"""Direct paths to peers: tells and asks in the family `paths`, sends the probes, and moves sessions to what was found.

Each peer has a `members.punching` machine; here are its clock, its socket, and its words:

    seen    {"at": ENDPOINT}                       message: where this node sees the peer
    again   {}                                     message, to the leader: our addresses changed
    punch   {"candidates": [ENDPOINT…], "mapping"} request of the leader: begin a round now; answered with the same
    knock   {"at": ENDPOINT}                       request: send probes from another port, for netcheck

What a peer says is judged by `members.candidates`. Probes leave by the listener's socket, so that a NAT has one mapping for a
node.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from appliance.api import events as api_events
from appliance.api.peer_protocol import Answer, Limits, PeerProtocolError, PeerProtocolKind, PeerProtocolServices
from appliance.api.values import Endpoint, Network
from appliance.api.zones import shown
from appliance.foundation import clock
from appliance.foundation.logging import get_logger
from appliance.linux import marks
from appliance.members.candidates import MAX_TRIED, SCHEME, Judge, ProbeBudget
from appliance.members.punching import AGREE_SECONDS, Agree, Punching, Take
from appliance.members.reflections import Reflections, Verdict
from appliance.protocol.events import PathAsked, PathProved
from appliance.runtime.members.port_mapping import PortMapping

if TYPE_CHECKING:
    import socket

    from appliance.protocol.session import Session
    from appliance.runtime.links.extra_ports import ExtraPorts
    from appliance.runtime.links.loops import Refuses
    from appliance.runtime.links.table import Link, Links
    from appliance.runtime.node.driver import NodeDriver

log = get_logger("paths")

FAMILY: Final = "paths"
LIMITS: Final = Limits(messages=10, bytes=20_000, waiting=16, requests=2)
KNOCK_GAP: Final = 3.0
"""Seconds between two knocks that one peer asks for."""
KNOCKS: Final = 3
KNOCK_PAUSE: Final = 0.3
MOST_OWN: Final = 3
"""Addresses of this host and family that are told to peers."""


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
    mark: int | None
    """The firewall mark of what goes outside; None: there is none."""


@dataclass(slots=True)
class _Searched:
    """A peer to which a direct path is looked for."""

    punching: Punching
    identity: str
    timer: asyncio.TimerHandle | None = None
    since: float = 0.0
    """When its session came to the path it is on."""
    told: Endpoint | None = None
    """Where it was told last that we see it."""
    why: str = ""
    """Why there is no direct path, as far as that is known."""
    mapping: str = ""
    """What it says of its NAT."""
    knocked: float = -KNOCK_GAP
    """When it was last knocked at on its wish."""
    came_from: set[Endpoint] = field(default_factory=set)
    """Where its probes came from, while it was asked to knock."""


class Paths:
    """The search for direct paths of one node; a `PeerProtocol` of `api.peer_protocol`."""

    def __init__(self, services: PeerProtocolServices, around: Around) -> None:
        self._services = services
        self._around = around
        self._node = around.driver.node
        self._peers: dict[str, _Searched] = {}
        self._own: tuple[str, ...] = ()
        now = clock.monotonic()
        self.reflections = Reflections()
        self.judge = Judge(around.overlay())
        self._seen_judge = Judge(around.overlay())
        """Of addresses at which we are seen: this host's own are as good as others."""
        self.budget = ProbeBudget(now)
        self.mapping = PortMapping(self._change_all, around.mark)
        around.driver.paths_listener = self._hear
        around.driver.subscribers.append(self._on_session)

    def close(self) -> None:
        """Look for no more paths; those that were found stay."""
        self._around.driver.paths_listener = lambda _event: None
        self._around.driver.subscribers.remove(self._on_session)
        self.mapping.close()
        for name in list(self._peers):
            self.on_gone(name)

    def report(self) -> dict[str, Any]:
        """For the status: what is known of the NATs, and of the path to each peer."""
        return {
            "nat": {f"ipv{version}": _shown(self.verdict(version)) for version in (4, 6)},
            "port_mapping": self.mapping.report(),
            "candidates": [str(endpoint) for endpoint in self.candidates()],
            "not_tried": {str(reason): count for reason, count in self.judge.counters.items()},
            "held_back": self.budget.held_back,
            "peers": {name: self._path(searched) for name, searched in self._peers.items()},
        }

    def _path(self, searched: _Searched) -> dict[str, Any]:
        machine = searched.punching
        why = "" if machine.direct else searched.why or ("no probe came back yet" if machine.rounds else "not tried yet")
        return {
            "direct": machine.direct,
            "endpoint": None if machine.current is None else shown(machine.current),
            "since_s": round(clock.monotonic() - searched.since, 3),
            "rounds": machine.rounds,
            "why": why,
        }

    # ---- what the host says ----

    def use_addresses(self, addresses: Sequence[str]) -> None:
        """This host has these addresses now. With others than before, nothing that was found out holds."""
        outside = [text for text in addresses if not _inside(text, self._around.overlay())]
        self.judge.use(self._around.overlay(), outside)
        before, self._own = self._own, tuple(outside)
        self.look_for_router()
        if before and before != self._own:
            self.reflections.clear()
            self._change_all()

    def look_for_router(self) -> None:
        """Ask the router for a port, if the profile wants that; or give it back."""
        listeners = self._around.links.listeners(SCHEME, 4)
        self.mapping.look(listeners[0].local.port if listeners and self._around.maps_ports() else None)

    def _change_all(self) -> None:
        """This node's addresses changed, as others see them: tell all, and look again."""
        for name, searched in list(self._peers.items()):
            self._change(name, searched)

    # ---- what peers say ----

    def on_connected(self, peer: str) -> None:
        """A peer has a session: look for a direct path to it."""
        known = self._node.peers.get(peer)
        if known is None:
            return
        identity = known.settings.identity
        self._peers[peer] = _Searched(Punching(leads=self._around.fingerprint < identity), identity)
        self._follow(peer)

    def on_gone(self, peer: str) -> None:
        """Its last session ended."""
        searched = self._peers.pop(peer, None)
        if searched is not None:
            self.reflections.forget(searched.identity)
            if searched.timer is not None:
                searched.timer.cancel()

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """Where a peer sees us, or that its addresses changed."""
        del body
        searched = self._peers.get(peer)
        if searched is None:
            return
        if kind == "again":
            searched.punching.handle_changed(clock.monotonic())
            self._turn(peer, searched)
        elif kind == "seen":
            self._seen(peer, searched, content.get("at"))

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> Answer | None:
        """The leader wants a round."""
        del body
        searched = self._peers.get(peer)
        if searched is not None and kind == "knock":
            return self._take_knock(peer, searched, content.get("at"))
        if searched is None or kind != "punch":
            return None
        session = self._session(peer)
        wait = (session.rtt or 0.0) / 2 if session is not None else 0.0
        if not searched.punching.handle_agreed(self._targets(peer, searched, content), wait, clock.monotonic()):
            return None
        self._turn(peer, searched)
        return Answer(self._own_words())

    def _take_knock(self, peer: str, searched: _Searched, at: Any) -> Answer | None:
        """A peer asks to be sent probes from another port. One that is spoken with directly gets them where it is."""
        session, now = self._session(peer), clock.monotonic()
        if session is None or now - searched.knocked < KNOCK_GAP:
            return None
        direct = session.endpoint is not None and session.endpoint.scheme == SCHEME
        targets = [session.endpoint] if direct and session.endpoint is not None else list(self.judge.fit([at]))
        if not targets or self._around.refuses([targets[0].host], FAMILY, peer):
            return None
        searched.knocked = now
        self._services.spawn(self._knock(peer, targets[0]), f"knock at {peer}")
        return Answer({})

    async def _knock(self, peer: str, target: Endpoint) -> None:
        listeners = self.listeners(6 if ":" in target.host else 4)
        if not listeners:
            return
        async with self._around.ports.beside(listeners[0]) as links:
            for _ in range(KNOCKS if links else 0):
                if self.budget.take(target.host, clock.monotonic()):
                    self._node.probe_path(peer, links[0].number, (target.host, target.port), clock.monotonic())
                    self._around.driver.settle()
                await self._services.sleep(KNOCK_PAUSE)

    async def ask_to_knock(self, peer: str, at: str, seconds: float) -> bool:
        """Ask `peer` to send probes `at` this node from another port. Does one arrive? Raises PeerProtocolError if it does not
        try."""
        searched = self._peers[peer]
        session = self._session(peer)
        known = None if session is None else session.endpoint
        searched.came_from.clear()
        await self._services.ask(peer, "knock", {"at": at}, within=seconds)
        await self._services.sleep(seconds)
        if known is not None and known.scheme == SCHEME:
            return any(source.host == known.host and source.port != known.port for source in searched.came_from)
        return bool(searched.came_from)

    def peers_by_way(self) -> tuple[list[str], list[str]]:
        """Peers that are reached directly, and those that are reached by other ways."""
        direct = {name: searched.punching.direct for name, searched in self._peers.items()}
        return [name for name in direct if direct[name]], [name for name in direct if not direct[name]]

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """This host's, those inside of the overlay left out."""
        return self._own

    def listeners(self, version: int) -> list[Link]:
        """The sockets for datagrams by which strangers come in, over IPv4 (4) or IPv6 (6)."""
        return self._around.links.listeners(SCHEME, version)

    def exempt(self, sock: socket.socket) -> None:
        """Keep what `sock` sends out of the overlay."""
        if self._around.mark is not None:
            marks.set_mark(sock, self._around.mark)

    def _seen(self, peer: str, searched: _Searched, at: Any) -> None:
        session = self._session(peer)
        link = None if session is None else self._around.links.get(session.link)
        if session is None or link is None or session.endpoint is None or session.endpoint.scheme != SCHEME:
            return
        if not self._is_from_listener(link) or not isinstance(at, str):
            return
        for endpoint in self._seen_judge.fit([at]):
            self.reflections.heard(searched.identity, session.endpoint.host, endpoint, clock.monotonic())

    def _is_from_listener(self, link: Link) -> bool:
        version = 6 if ":" in link.local.host else 4
        return any(link.local.port == listener.local.port for listener in self._around.links.listeners(SCHEME, version))

    # ---- what the node says ----

    def _hear(self, event: PathAsked | PathProved) -> None:
        asyncio.get_running_loop().call_soon(self._on_path, event)

    def _on_path(self, event: PathAsked | PathProved) -> None:
        searched = self._peers.get(event.peer)
        if searched is None:
            return
        if isinstance(event, PathProved):
            searched.punching.handle_proved(event.endpoint, event.rtt, clock.monotonic())
        elif event.source is not None:
            source = Endpoint(SCHEME, *event.source)
            if len(searched.came_from) < MAX_TRIED:
                searched.came_from.add(source)
            if self.judge.why_not(source) is None:
                searched.punching.handle_asked(source)
        self._turn(event.peer, searched)

    def _on_session(self, event: api_events.SessionOpened | api_events.SessionClosed | api_events.PathChanged) -> None:
        asyncio.get_running_loop().call_soon(self._follow, event.peer)

    def _follow(self, peer: str) -> None:
        """The session of a peer may go elsewhere now."""
        searched, session = self._peers.get(peer), self._session(peer)
        if searched is None:
            return
        now, endpoint = clock.monotonic(), None if session is None else session.endpoint
        if endpoint != searched.punching.current:
            searched.since = now
        searched.punching.handle_path(endpoint, now)
        if endpoint is not None and endpoint != searched.told and endpoint.scheme == SCHEME:
            searched.told = endpoint
            self._say(peer, "seen", {"at": str(endpoint)})
        self._turn(peer, searched)

    # ---- turning ----

    def _turn(self, peer: str, searched: _Searched) -> None:
        """Do what the search wants, and set its timer."""
        now, machine = clock.monotonic(), searched.punching
        while (event := machine.poll_event()) is not None:
            match event:
                case Agree():
                    self._services.spawn(self._agree(peer, searched), f"agree with {peer} on a round")
                case Take(endpoint):
                    self._node.take_path(peer, endpoint, now)
        while (target := machine.poll_probe()) is not None:
            self._probe(peer, target, now)
        self._around.driver.settle()
        if searched.timer is not None:
            searched.timer.cancel()
        due = machine.poll_timeout()
        loop = asyncio.get_running_loop()
        searched.timer = None if due is None else loop.call_at(due, self._timeout, peer, searched)

    def _timeout(self, peer: str, searched: _Searched) -> None:
        session = self._session(peer)
        searched.timer = None
        searched.punching.handle_timeout(clock.monotonic(), None if session is None else session.rtt)
        self._turn(peer, searched)

    def _probe(self, peer: str, target: Endpoint, now: float) -> None:
        listeners = self._around.links.listeners(SCHEME, 6 if ":" in target.host else 4)
        if listeners and self.budget.take(target.host, now):
            self._node.probe_path(peer, listeners[0].number, (target.host, target.port), now)

    async def _agree(self, peer: str, searched: _Searched) -> None:
        try:
            answer = await self._services.ask(peer, "punch", self._own_words(), within=AGREE_SECONDS - 1)
        except PeerProtocolError as error:
            searched.why = f"it does not take part: {error}"
            searched.punching.handle_refused(clock.monotonic())
        else:
            searched.punching.handle_agreed(self._targets(peer, searched, answer.content), 0.0, clock.monotonic())
        if self._peers.get(peer) is searched:
            self._turn(peer, searched)

    def _change(self, peer: str, searched: _Searched) -> None:
        if searched.punching.leads:
            searched.punching.handle_changed(clock.monotonic())
            self._turn(peer, searched)
        else:
            self._say(peer, "again", {})

    def _say(self, peer: str, kind: str, content: Mapping[str, Any]) -> None:
        try:
            self._services.send(peer, kind, content)
        except PeerProtocolError as error:
            log.debug("not said", peer=peer, kind=kind, reason=str(error))

    # ---- addresses ----

    def _own_words(self) -> dict[str, Any]:
        verdict = self.verdict(4)
        return {"candidates": [str(endpoint) for endpoint in self.candidates()], "mapping": str(verdict.mapping)}

    def verdict(self, version: int) -> Verdict:
        """What is known of the NAT for IPv4 (4) or IPv6 (6)."""
        return self.reflections.verdict(version, self._own, clock.monotonic())

    def candidates(self) -> list[Endpoint]:
        """Where this node may be reached: what the admin says, what others see, and its own addresses."""
        found = dict.fromkeys(self._around.announced())
        if self.mapping.mapped is not None:
            found[self.mapping.mapped] = None
        for version in (4, 6):
            listeners = self._around.links.listeners(SCHEME, version)
            if not listeners:
                continue
            found |= dict.fromkeys(self.verdict(version).seen)
            local = listeners[0].local
            everywhere = ipaddress.ip_address(local.host).is_unspecified
            hosts = [host for host in self._own if (":" in host) == (version == 6)] if everywhere else [local.host]
            found |= dict.fromkeys(local._replace(host=host) for host in hosts[:MOST_OWN])
        return list(found)

    def _targets(self, peer: str, searched: _Searched, content: Mapping[str, Any]) -> list[Endpoint]:
        searched.mapping = str(content.get("mapping", ""))[:32]
        fit = self.judge.fit(content.get("candidates"))
        bad = self._around.refuses([target.host for target in fit], FAMILY, peer) if fit else {}
        return [target for target in fit if target.host not in bad]

    def _session(self, peer: str) -> Session | None:
        known = self._node.peers.get(peer)
        return None if known is None or known.session is None else self._node.sessions.get(known.session)


def kind_for(around: Around, opened: Callable[[Paths], None]) -> PeerProtocolKind:
    """The family as the node speaks it. `opened` is told what was opened."""

    def open_paths(_settings: object, services: PeerProtocolServices) -> Paths:
        paths = Paths(services, around)
        opened(paths)
        return paths

    return PeerProtocolKind(FAMILY, None, open_paths, LIMITS)


def _shown(verdict: Verdict) -> dict[str, Any]:
    return {"mapping": str(verdict.mapping), "seen": [str(at) for at in verdict.seen], "voices": verdict.voices}


def _inside(text: str, overlay: Sequence[Network]) -> bool:
    address = ipaddress.ip_address(text)
    return any(address.version == network.version and address in network for network in overlay)

"""Direct paths to peers: tells and asks in the family `paths`, sends the probes, and moves sessions to what was found.

Each peer has a `members.punching` machine; here are its clock, its socket, and its words (those of `knocking` come on top):

    seen    {"at": ENDPOINT}                       message: where this node sees the peer
    here    {"candidates": [ENDPOINT…]}            message: where the sender may be
    again   {}                                     message, to the leader: our addresses changed
    punch   {"candidates": [ENDPOINT…], "mapping", "next": ENDPOINT, "chance": true}
                                                   request of the leader: begin a round now; answered with the same

What a peer says is judged by `members.candidates`. Probes leave by the listener's socket, so that a NAT has one mapping for a
node.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from appliance.api import events as api_events
from appliance.api.peer_protocol import Answer, Limits, PeerProtocolError, PeerProtocolKind, PeerProtocolServices
from appliance.api.values import Endpoint, Network
from appliance.foundation import clock
from appliance.foundation.logging import get_logger
from appliance.linux import marks
from appliance.members.candidates import MAX_TRIED, SCHEME, Judge
from appliance.members.far_ports import SPRAY_SECONDS, may_meet, window
from appliance.members.punching import AGREE_SECONDS, LATE_PAUSE, PUNCH_SECONDS, Agree, Punching, Take
from appliance.members.reflections import Mapping as NatMapping
from appliance.members.reflections import Reflections, Verdict
from appliance.protocol.events import PathAsked, PathProved
from appliance.runtime.members.chance import Chance
from appliance.runtime.members.knocking import FORETELL_SECONDS, Knocking
from appliance.runtime.members.path_hands import Around, Hands
from appliance.runtime.members.port_mapping import PortMapping
from appliance.runtime.members.searched import Searched

if TYPE_CHECKING:
    import socket

    from appliance.runtime.links.table import Link

log = get_logger("paths")

FAMILY: Final = "paths"
LIMITS: Final = Limits(messages=10, bytes=20_000, waiting=16, requests=2)
PATIENT_ROUNDS: Final = 2
"""Rounds that failed before this node's NAT is asked for its next port, or many ports are tried."""
IDLE_SHARE: Final = 1.5
MOST_OWN: Final = 3
"""Addresses of this host and family that are told to peers."""


class Paths:
    """The search for direct paths of one node; a `PeerProtocol` of `api.peer_protocol`."""

    def __init__(self, services: PeerProtocolServices, around: Around) -> None:
        self._services = services
        self._around = around
        self._node = around.driver.node
        self.hands = hands = Hands(services, around)
        self._peers: dict[str, Searched] = {}
        self._own: tuple[str, ...] = ()
        self.reflections = Reflections()
        self.judge = Judge(around.overlay())
        self._seen_judge = Judge(around.overlay())
        """Of addresses at which we are seen: this host's own are as good as others."""
        self.knocking = Knocking(hands, self.judge)
        self.chance = Chance(hands)
        self.mapping = PortMapping(self._change_all, around.mark)
        around.driver.paths_listener = self._hear
        around.driver.subscribers.append(self._on_session)

    async def close(self) -> None:
        """Look for no more paths; those that were found stay."""
        self._around.driver.paths_listener = lambda _event: None
        self._around.driver.subscribers.remove(self._on_session)
        await self.mapping.end()
        for name in list(self._peers):
            self.on_gone(name)

    @property
    def peers(self) -> Mapping[str, Searched]:
        """The search for each; look, don't touch."""
        return MappingProxyType(self._peers)

    # ---- what the host says ----

    def use_addresses(self, addresses: Sequence[str]) -> None:
        """This host has these addresses now. With others than before, nothing that was found out holds."""
        outside = [text for text in addresses if not _inside(text, self._around.overlay())]
        self.judge.use(self._around.overlay(), outside)
        before, self._own = self._own, tuple(outside)
        self.look_for_router()
        if before and before != self._own:
            self.reflections.clear()
            for name, searched in list(self._peers.items()):
                if self._is_uprooted(searched.punching.current):
                    searched.punching.handle_uprooted(searched.theirs, clock.monotonic())
                    self._turn(name, searched)
            self._change_all()

    def _is_uprooted(self, far: Endpoint | None) -> bool:
        """Has this host no address any more of the kind by which that far end was reached? (One of the same kind will do:
        `own_sockets` sees to that.)"""
        return far is not None and bool(far.host) and not any((":" in host) == (":" in far.host) for host in self._own)

    def look_for_router(self) -> None:
        """Ask the router for a port, if the profile wants that; or give it back."""
        listeners = self.hands.listeners(4)
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
        # One that is not kept alive is to end when it is idle: rounds must not be what keeps it.
        pause = LATE_PAUSE if known.settings.keepalive else max(LATE_PAUSE, IDLE_SHARE * self._around.idle())
        self._peers[peer] = Searched(Punching(self._around.fingerprint < identity, pause), identity)
        self._follow(peer)

    def on_gone(self, peer: str) -> None:
        """Its last session ended."""
        searched = self._peers.pop(peer, None)
        if searched is not None:
            self.reflections.forget(searched.identity)
            self.knocking.forget(peer)
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
        elif kind == "here":
            searched.theirs = self.judge.fit(content.get("candidates"))

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> Answer | None:
        """The leader wants a round, or a peer wants something for its own search."""
        del body
        searched = self._peers.get(peer)
        if searched is None:
            return None
        match kind:
            case "knock":
                return self.knocking.take_knock(peer, content)
            case "where":
                return self.knocking.take_where(peer, content)
            case "punch":
                return await self._join(peer, searched, content)
        return None

    async def _join(self, peer: str, searched: Searched, content: Mapping[str, Any]) -> Answer | None:
        """The follower's half of a round."""
        if not searched.punching.may_begin(clock.monotonic()):
            return None
        words = await self._words(peer, searched)
        session = self.hands.session(peer)
        wait = (session.rtt or 0.0) / 2 if session is not None else 0.0
        if content.get("chance") is True and self._meets(searched, words, content):
            words["chance"] = True
        if not self._begin(peer, searched, words, content, wait):
            return None
        self._turn(peer, searched)
        return Answer(words)

    def _begin(self, peer: str, searched: Searched, words: dict[str, Any], content: Mapping[str, Any], wait: float) -> bool:
        """Begin a round with what both sides have said."""
        targets = self._targets(peer, searched, content)
        by_chance = words.get("chance") is True and content.get("chance") is True
        searched.links.clear()
        longer = SPRAY_SECONDS if by_chance else 0.0
        if not searched.punching.handle_agreed(targets, wait, clock.monotonic(), longer):
            return False
        if by_chance and targets:
            searched.tried = True
            self.chance.begin(peer, words["mapping"], targets[0], wait)
        return True

    def _meets(self, searched: Searched, words: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
        """Is an attempt to meet by chance worth it, and within this node's budget?"""
        mine, theirs = str(words["mapping"]), str(content.get("mapping", ""))
        return may_meet(mine, theirs) and self.chance.attempts.take(searched.identity, clock.monotonic())

    def peers_by_way(self) -> tuple[list[str], list[str]]:
        """Peers that are reached directly, and those that are reached by other ways."""
        direct = {name: searched.punching.direct for name, searched in self._peers.items()}
        return [name for name in direct if direct[name]], [name for name in direct if not direct[name]]

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """This host's, those inside of the overlay left out."""
        return self._own

    def exempt(self, sock: socket.socket) -> None:
        """Keep what `sock` sends out of the overlay."""
        if self._around.mark is not None:
            marks.set_mark(sock, self._around.mark)

    def _seen(self, peer: str, searched: Searched, at: Any) -> None:
        session = self.hands.session(peer)
        link = None if session is None else self._around.links.get(session.link)
        if session is None or link is None or session.endpoint is None or session.endpoint.scheme != SCHEME:
            return
        if not self._is_from_listener(link) or not isinstance(at, str):
            return
        for endpoint in self._seen_judge.fit([at]):
            self.reflections.heard(searched.identity, session.endpoint.host, endpoint, clock.monotonic())

    def _is_from_listener(self, link: Link) -> bool:
        version = 6 if ":" in link.local.host else 4
        return any(link.local.port == listener.local.port for listener in self.hands.listeners(version))

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
            self.knocking.heard(event.peer, event.token, source)
            if self.judge.why_not(source) is None:
                if len(searched.links) < MAX_TRIED:
                    searched.links[source] = event.link
                searched.punching.handle_asked(source)
        self._turn(event.peer, searched)

    def _on_session(self, event: api_events.SessionOpened | api_events.SessionClosed | api_events.PathChanged) -> None:
        asyncio.get_running_loop().call_soon(self._follow, event.peer)

    def _follow(self, peer: str) -> None:
        """The session of a peer may go elsewhere now."""
        searched, session = self._peers.get(peer), self.hands.session(peer)
        if searched is None:
            return
        now, endpoint = clock.monotonic(), None if session is None else session.endpoint
        if endpoint != searched.punching.current:
            searched.since = now
        searched.punching.handle_path(endpoint, now)
        if session is None or endpoint is None or endpoint.scheme != SCHEME:
            self._turn(peer, searched)
            return
        if searched.told != (session.session_id, endpoint):
            searched.told = session.session_id, endpoint
            self._say(peer, "seen", {"at": str(endpoint)})
            self._tell(peer)
        self._turn(peer, searched)

    # ---- turning ----

    def _turn(self, peer: str, searched: Searched) -> None:
        """Do what the search wants, and set its timer."""
        now, machine = clock.monotonic(), searched.punching
        while (event := machine.poll_event()) is not None:
            match event:
                case Agree():
                    self._services.spawn(self._agree(peer, searched), f"agree with {peer} on a round")
                case Take(endpoint):
                    self._node.take_path(peer, endpoint, now)
        while (target := machine.poll_probe()) is not None:
            self._probe(peer, searched, target)
        self.hands.settle()
        if searched.timer is not None:
            searched.timer.cancel()
        due = machine.poll_timeout()
        loop = asyncio.get_running_loop()
        searched.timer = None if due is None else loop.call_at(due, self._timeout, peer, searched)

    def _timeout(self, peer: str, searched: Searched) -> None:
        session = self.hands.session(peer)
        searched.timer = None
        searched.punching.handle_timeout(clock.monotonic(), None if session is None else session.rtt)
        self._turn(peer, searched)

    def _probe(self, peer: str, searched: Searched, target: Endpoint) -> None:
        """By the socket that the peer's probes from there came to; else by the listener's."""
        link, listener = searched.links.get(target, searched.fresh), self.hands.listener_for(target)
        if link not in self._around.links and listener is not None:
            link = listener.number
        if link:
            self.hands.probe(peer, link, target)

    async def _agree(self, peer: str, searched: Searched) -> None:
        """The leader's half of a round."""
        words = await self._words(peer, searched)
        late = searched.punching.rounds >= PATIENT_ROUNDS
        if late and not searched.tried and may_meet(str(words["mapping"]), searched.mapping):
            words["chance"] = self._meets(searched, words, {"mapping": searched.mapping})
        try:
            answer = await self._services.ask(peer, "punch", words, within=AGREE_SECONDS - FORETELL_SECONDS)
        except PeerProtocolError as error:
            searched.why = f"it does not take part: {error}"
            searched.punching.handle_refused(clock.monotonic())
        else:
            searched.why = ""
            self._begin(peer, searched, words, answer.content, 0.0)
        if self._peers.get(peer) is searched:
            self._turn(peer, searched)

    def _change(self, peer: str, searched: Searched) -> None:
        self._tell(peer)
        if searched.punching.leads:
            searched.punching.handle_changed(clock.monotonic())
            self._turn(peer, searched)
        else:
            self._say(peer, "again", {})

    def _tell(self, peer: str) -> None:
        """Tell a peer where this node may be: it remembers that for when its own addresses change."""
        self._say(peer, "here", {"candidates": [str(endpoint) for endpoint in self.candidates()]})

    def _say(self, peer: str, kind: str, content: Mapping[str, Any]) -> None:
        try:
            self._services.send(peer, kind, content)
        except PeerProtocolError as error:
            log.debug("not said", peer=peer, kind=kind, reason=str(error))

    # ---- addresses ----

    async def _words(self, peer: str, searched: Searched) -> dict[str, Any]:
        """What this node says of itself for a round. Once one has failed, its NAT's next port too, where that can be foretold."""
        mapping = self.verdict(4).mapping
        searched.fresh = 0
        words: dict[str, Any] = {"candidates": [str(endpoint) for endpoint in self.candidates()], "mapping": str(mapping)}
        if searched.punching.rounds and not searched.punching.direct and mapping in {NatMapping.UNKNOWN, NatMapping.DEPENDENT}:
            direct = [name for name in self._peers if name != peer and self.hands.is_direct(name)]
            guessed, following = await self.knocking.foretell(direct)
            if guessed is not NatMapping.UNKNOWN:
                words["mapping"] = str(guessed)
            if following is not None:
                words["next"] = str(following)
                searched.fresh = await self.chance.fresh(following, AGREE_SECONDS + PUNCH_SECONDS)
        searched.own = str(words["mapping"])
        return words

    def verdict(self, version: int) -> Verdict:
        """What is known of the NAT for IPv4 (4) or IPv6 (6)."""
        return self.reflections.verdict(version, self._own, clock.monotonic())

    def candidates(self) -> list[Endpoint]:
        """Where this node may be reached: what the admin says, what others see, and its own addresses."""
        found = dict.fromkeys(self._around.announced())
        if self.mapping.mapped is not None:
            found[self.mapping.mapped] = None
        for version in (4, 6):
            listeners = self.hands.listeners(version)
            if not listeners:
                continue
            found |= dict.fromkeys(self.verdict(version).seen)
            local = listeners[0].local
            everywhere = ipaddress.ip_address(local.host).is_unspecified
            hosts = [host for host in self._own if (":" in host) == (version == 6)] if everywhere else [local.host]
            found |= dict.fromkeys(local._replace(host=host) for host in hosts[:MOST_OWN])
        return list(found)

    def _targets(self, peer: str, searched: Searched, content: Mapping[str, Any]) -> list[Endpoint]:
        searched.mapping = str(content.get("mapping", ""))[:32]
        searched.theirs = self.judge.fit(content.get("candidates"))
        following = self.judge.fit([content["next"]]) if "next" in content else ()
        fit = (*(port for first in following for port in window(first)), *searched.theirs)
        bad = self._around.refuses([target.host for target in fit], FAMILY, peer) if fit else {}
        return [target for target in fit if target.host not in bad]


def kind_for(around: Around, opened: Callable[[Paths], None]) -> PeerProtocolKind:
    """The family as the node speaks it. `opened` is told what was opened."""

    def open_paths(_settings: object, services: PeerProtocolServices) -> Paths:
        paths = Paths(services, around)
        opened(paths)
        return paths

    return PeerProtocolKind(FAMILY, None, open_paths, LIMITS)


def _inside(text: str, overlay: Sequence[Network]) -> bool:
    address = ipaddress.ip_address(text)
    return any(address.version == network.version and address in network for network in overlay)

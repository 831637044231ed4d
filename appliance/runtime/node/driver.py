"""Runs the pure control machine (`protocol.node.Node`) on the event loop: feeds it, does what it asks, keeps its timer.

A handshake's key exchange and signatures cost up to milliseconds, so the node keeps them in a bounded queue and a turn of the
loop works off a few; everything else costs microseconds and is done at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import Final

from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.errors import place_of
from appliance.foundation import clock
from appliance.foundation.logging import get_logger, once_per
from appliance.protocol import events
from appliance.protocol.control_channel import ControlChannel
from appliance.protocol.counted import Count
from appliance.protocol.node import Node
from appliance.protocol.pressure import Grade
from appliance.protocol.session import SessionState
from appliance.protocol.settings import NodeSettings
from appliance.runtime.links.loops import Refuses, nothing_refused
from appliance.runtime.links.table import Link, Links
from appliance.runtime.links.transports import Transports
from appliance.runtime.node.activity import Activity
from appliance.runtime.node.held_sessions import HeldSessions
from appliance.runtime.node.offloads import Offloads
from appliance.runtime.node.own_sockets import OwnSockets, introduce
from appliance.runtime.node.strangers import StrangerNews
from appliance.runtime.peers.known_paths import KnownPath
from appliance.runtime.peers.table import Delta
from appliance.runtime.workers.pool import WorkerPool
from appliance.runtime.workers.process import WorkerProcess
from appliance.wire.envelope import PacketType

log = get_logger("sessions")

TURN_SECONDS: Final = 0.005
"""How long handshakes may hold the loop before others get a turn: about two of them."""
MISTAKES_EVERY: Final = 10.0
"""Seconds between two log lines about the same mistake of ours."""
REFUSED_EVERY: Final = 10.0
"""Seconds between two log lines about the same refusal."""


class NodeDriver:
    """The node and everything it has hands for. Hears the worker (WorkerListener) and the transports (LinkListener).

    `pool()` gives the workers of the moment, `connected` is called at each change of the connected peers and costs little;
    `remember` hears where a peer is, or that it left; `refuses` judges the addresses they come from.
    """

    def __init__(
        self,
        node: Node,
        links: Links,
        pool: Callable[[], WorkerPool | None],
        *,
        rotate_bytes: int,
        connected: Callable[[], None],
        remember: Callable[[str, KnownPath | None], None] = lambda _peer, _path: None,
        refuses: Refuses = nothing_refused,
    ) -> None:
        self.node = node
        self.rotate_bytes = rotate_bytes
        self.drops: Counter[str] = Counter()
        self.transports: Transports | None = None
        self.control_listener: Callable[[events.ControlEvent], None] = lambda _event: None
        """Told about the control channel. Must not raise; what it wants to say through `node.control` it says in a later turn."""
        self.strangers = StrangerNews(node, pool)
        self.paths_listener: Callable[[events.PathAsked | events.PathProved], None] = lambda _event: None
        """Told about other paths of sessions. Must not raise; what it wants of the node it does in a later turn."""
        self.circles: Callable[[str, Endpoint], bool] = lambda _peer, _endpoint: False
        """Would what goes to a peer over an endpoint without a host go through that peer itself?"""
        self._links = links
        self._pool = pool
        self._refuses = refuses
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running = False
        self._crowded = False
        self.offloads = Offloads(links, pool)
        self._activity = Activity(node, pool, self._settle)
        self._sessions = HeldSessions(
            node, links, pool, lambda: self.rotate_bytes, connected=connected, remember=remember, goes_round=self._goes_round
        )
        self._own_sockets = OwnSockets(node, links, self._transports, pool, self._sessions.path, self._settle)
        self._sessions.moved, self._sessions.ended = self._own_sockets.give, self._activity.forget
        self.subscribers = self._sessions.subscribers

    @property
    def control(self) -> ControlChannel:
        """The control channel of the sessions; `settle` after each call."""
        return self.node.control

    # ---- life ----

    def start(self, known: Mapping[str, KnownPath]) -> None:
        """Begin: the node's first dials go out, and peers without endpoints are called where they are `known` to have been."""
        self._running = True
        for peer, path in known.items():
            settings = self.node.peers.get(peer)
            listener = self._links.listener_over(path.local)
            if listener is not None and settings is not None and not settings.settings.endpoints:
                self._own_sockets.call_again(peer, listener, path)
        self._settle()
        self._activity.start()

    def follow(self, delta: Delta) -> None:
        """The table of peers changed, and the worker knows who came."""
        node, now = self.node, clock.monotonic()
        others = [change for change in delta.changed if change.before.identity != change.after.identity]
        for gone in (*delta.removed, *(change.before for change in others)):
            node.drop_peer(gone.name, now)
        for _, after in delta.changed:
            node.change_peer(after.settings, now)
        for new in (*delta.added, *(change.after for change in others)):  # once all identities that are given up are free
            node.add_peer(new.settings, now)
        self._settle()

    def readdress(self, addresses: Collection[str]) -> None:
        """This host has these addresses now."""
        if not self._running:
            return
        if (pool := self._pool()) is not None:
            pool.keep_locals(addresses)
        self._own_sockets.readdress(addresses)

    def update(self, settings: NodeSettings, rotate_bytes: int) -> None:
        """Take another policy and other limits; sessions that they do not touch stay."""
        self.rotate_bytes = rotate_bytes
        self.node.update(settings, clock.monotonic())
        pool = self._pool()
        if pool is not None:
            self.share_cookies(pool)
        self._settle()

    def share_cookies(self, workers: WorkerPool | WorkerProcess) -> None:
        """Let workers judge hellos as the node does."""
        workers.set_cookies(self.node.cookie_secret, self.node.handshakes_per_second)
        workers.want_cookies(self._crowded)

    async def close(self) -> None:
        """Say goodbye to all peers and stop. The worker has the goodbyes before this returns."""
        self._running = False
        self._activity.stop()
        for handle in (self._turn, self._timer):
            if handle is not None:
                handle.cancel()
        self.offloads.close()
        await self._own_sockets.close()
        self.node.shutdown(clock.monotonic())
        self._execute()

    def connected_peers(self) -> frozenset[str]:
        """Names of peers with an active session."""
        return frozenset(
            session.peer for session in self.node.sessions.values() if session.state is SessionState.ACTIVE and session.proved
        )

    # ---- what the worker says ----

    def on_packet(self, link: int, source: SocketAddress | None, packet: bytes) -> None:
        """A handshake packet: noted at once, its cryptography waits for its turn."""
        if self._running:
            self.node.handle_packet(link, source, packet, clock.monotonic())
            self._settle()

    def on_message(self, session: int, kind: int, channel: int, body: bytes) -> None:
        """A sealed message other than IP."""
        self.node.handle_message(session, kind, channel, body, clock.monotonic())
        self._settle()

    def on_want(self, peer: str) -> None:
        """Traffic waits for a session."""
        self.node.handle_want(peer, clock.monotonic())
        self._settle()

    def on_reachable(self, peer: str, endpoint: Endpoint) -> None:
        """The relay of an endpoint that was tried in vain has a session again."""
        self.node.handle_reachable(peer, endpoint, clock.monotonic())
        self._settle()

    def on_moved(self, session: int, link: int, source: SocketAddress | None) -> None:
        """A session's newest record came by another path. One whose answers would go into the tunnel is not taken."""
        found = self.node.sessions.get(session)
        if found is not None and self._goes_round(found.peer, link, source):
            self.node.counters[Count.LOOP] += 1
            return
        self.node.handle_moved(session, link, source, clock.monotonic())
        self._settle()

    def on_aside(self, session: int, link: int, source: SocketAddress | None, kind: int, body: bytes, *, newest: bool) -> None:
        """A KeepAlive or an Ack came by another path than its session's."""
        found = self.node.sessions.get(session)
        if found is not None and self._goes_round(found.peer, link, source):
            self.node.counters[Count.LOOP] += 1
            return
        self.node.handle_aside(session, link, source, kind, body, clock.monotonic(), newest=newest)
        self._settle()

    def on_stalled(self, session: int) -> None:
        """The two sides' keys of a session are too far apart: only a new handshake helps."""
        self.node.handle_stalled(session, clock.monotonic())
        self._settle()

    def on_loss(self, link: int, lost: float) -> None:
        """Datagrams of a link did not arrive."""
        self.node.handle_loss(link, lost)
        self._settle()

    def on_link_closed(self, link: int) -> None:
        """A connection ended."""
        self._links.forget(link)
        self.node.handle_link_closed(link, clock.monotonic())
        self._settle()

    def on_link_limited(self, link: int, datagram: int) -> None:
        """The kernel knows that a path takes less."""
        self.node.handle_link_limit(link, datagram, clock.monotonic())
        self._settle()

    def on_link_offload(self, link: int, problem: str) -> None:
        """The kernel does not cut datagrams on a link, for that errno; "": it does again."""
        self.offloads.changed(link, problem)

    def on_raised(self, place: str, times: int) -> None:
        """A mistake of ours in the worker. It counts that itself, and says it now and then."""
        if once_per(MISTAKES_EVERY, "the worker raised"):
            log.error("the worker failed at something and went on", place=place, times=times, hint="please report this")

    def on_misheard(self, error: Exception) -> None:
        """A mistake of ours here, with what the worker said."""
        self._mistake(error)

    # ---- what the transports say ----

    def on_link(self, link: Link, peer: str | None) -> None:
        """A link is there."""
        introduce(self.node, link, peer)
        self._settle()

    def on_link_dropped(self, number: int) -> None:
        """A listening address was given up."""
        self.node.handle_link_closed(number, clock.monotonic())
        self._settle()

    def on_dial_failed(self, peer: str, endpoint: Endpoint, reason: str) -> None:
        """An endpoint could not be reached."""
        log.debug("dial failed", peer=peer, endpoint=str(endpoint), reason=reason)
        self.node.handle_dial_failed(peer, endpoint, reason, clock.monotonic())
        self._settle()

    def may_come(self, source: SocketAddress) -> bool:
        """May a stranger that was accepted be handed over?"""
        return self.node.may_come(source, clock.monotonic())

    def full(self) -> bool:
        """Are there too many strangers to accept another?"""
        return self.node.full(clock.monotonic())

    # ---- what others say ----

    def on_candidates(self, peer: str, endpoints: Sequence[Endpoint]) -> None:
        """Discovery found where a peer can be reached."""
        self.node.handle_candidates(peer, endpoints, clock.monotonic())
        self._settle()

    def on_worker_lost(self, dead: Sequence[Link], kept: Container[int] = ()) -> None:
        """A worker died: its streams are `dead`, and the keys of all sessions but those `kept` are gone."""
        now = clock.monotonic()
        for link in dead:
            self.node.handle_link_closed(link.number, now)
        self.node.handle_keys_lost(now, kept)
        self._settle()

    # ---- turning ----

    def _transports(self) -> Transports:
        assert self.transports is not None
        return self.transports

    def _work(self) -> None:
        """Work off handshakes for one turn of the loop."""
        self._turn = None
        try:
            now = clock.monotonic()
            end = now + TURN_SECONDS
            while now < end and self.node.handle_work(now):
                self._execute()
                now = clock.monotonic()
        except Exception as error:  # noqa: BLE001  one handshake must not stop the others
            self._mistake(error)
        self._settle()

    def _timeout(self) -> None:
        self._timer = None
        try:
            self.node.handle_timeout(clock.monotonic())
        except Exception as error:  # noqa: BLE001  one session must not stop the others' timers
            self._mistake(error)
        self._settle()

    def _mistake(self, error: Exception) -> None:
        """Count what went wrong by a mistake of ours, say so now and then, and go on."""
        self.drops["raised"] += 1
        place = place_of(error)
        if times := once_per(MISTAKES_EVERY, f"raised {place}"):
            log.error("failed at something and went on", place=place, times=times, hint="please report this")

    def settle(self) -> None:
        """Do what the node wants now: somebody spoke through `node.control`."""
        self._settle()

    def _settle(self) -> None:
        if not self._running:
            return
        try:
            self._execute()
        except Exception as error:  # noqa: BLE001  one event must not stop the others
            self._mistake(error)
            asyncio.get_running_loop().call_soon(self._settle)
        self._set_timer()
        self._tell_whether_crowded()
        if self._turn is None and self.node.has_work:
            self._turn = asyncio.get_running_loop().call_soon(self._work)

    def run_short(self, grade: Grade) -> None:
        """This host is so short of something."""
        self.node.run_short(grade)
        self._tell_whether_crowded()

    def _tell_whether_crowded(self) -> None:
        if self.node.crowded != self._crowded and (pool := self._pool()) is not None:
            self._crowded = self.node.crowded
            pool.want_cookies(self._crowded)

    def _set_timer(self) -> None:
        due = self.node.poll_timeout()
        if self._timer is not None:
            if due is not None and self._timer.when() <= due:
                return  # wakes early at worst, and then sets itself anew
            self._timer.cancel()
        self._timer = None if due is None else asyncio.get_running_loop().call_at(due, self._timeout)

    def _execute(self) -> None:
        """Do what the node wants. Events first: a session is installed before its peer can use it."""
        node = self.node
        while True:
            while (event := node.poll_event()) is not None:
                self._do(event)
            transmit = node.poll_transmit()
            if transmit is None:
                return
            pool = self._pool()
            if pool is not None:
                pool.send_packet(*transmit)

    def _do(self, event: events.Event) -> None:
        match event:
            case events.SessionReady():
                self._sessions.ready(event)
            case events.SessionConfirmed(session, peer):
                self._sessions.confirmed(session, peer)
            case events.SessionClosed():
                self._sessions.closed(event, remember=self._running)
            case events.PathChanged(session, link, to):
                self._sessions.path_changed(session, link, to)
            case events.Dial(peer, endpoint):
                self._transports().dial(peer, endpoint)
            case events.LinkUnused(link):
                self._links.drop(link)
            case events.PeerConnected() | events.PeerGone() | events.ControlWaiting() | events.Answered() | events.AskFailed():
                self.control_listener(event)
            case events.StrangerCame() | events.StrangerGone():
                self.strangers.tell(event)
            case events.PathAsked() | events.PathProved():
                self.paths_listener(event)
            case events.Refused(peer, reason):
                if times := once_per(REFUSED_EVERY, f"refused {peer} {reason}"):
                    log.warning("handshakes refused", peer=peer or "unknown", reason=reason, times=times)
            case _:
                self._tell_worker(event)

    def _tell_worker(self, event: events.Event) -> None:
        pool = self._pool()
        if pool is None:
            return
        match event:
            case events.Protect(link, span):
                pool.protect_link(link, span)
            case events.SendMessage(session, kind, channel, body):
                pool.send_message(session, kind, channel, body)
            case events.SendProbe(session, datagram, body):
                pool.send_probe(session, PacketType.KEEP_ALIVE, datagram, body)
            case events.Challenge(session, link, to, body, kind):
                pool.send_challenge(session, kind, link, to, body)
            case events.Shape(link, datagram):
                pool.shape_link(link, datagram)
            case events.Compress(session):
                pool.compress_session(session)
            case events.SessionReplaced(session):
                pool.stop_sending(session)
            case events.Unreached(peer):
                pool.give_up_waiting([peer])

    def _goes_round(self, peer: str, number: int, source: SocketAddress | None) -> bool:
        """Would what we send over this path go into the tunnel that it carries?"""
        link = self._links.get(number)
        if link is None or (source is None and link.remote is None):
            return False
        endpoint = link.remote if source is None else Endpoint(link.local.scheme, *source)
        if endpoint is None:
            return False
        return bool(self._refuses([endpoint.host], str(endpoint), peer)) if endpoint.host else self.circles(peer, endpoint)

"""The control machine of one node: everything about whom to talk to under which keys, and nothing that moves user traffic.

Drive it with the `handle_…` methods; after each call take `poll_event` until None, then `poll_transmit` until None, and call
`handle_timeout` when `poll_timeout` says. Nothing a peer sends raises: what is wrong with it is counted (see `counters`).
Costly steps of a handshake (key exchange, signatures) take up to a few milliseconds: when `deferring`, they wait for
`handle_work`; nothing else costs more than microseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import MappingProxyType

from appliance.api.crypto import CryptoSuite
from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.protocol.answering import Answering
from appliance.protocol.connecting import Connecting
from appliance.protocol.control_channel import ControlChannel
from appliance.protocol.events import Event, LinkId, Transmit
from appliance.protocol.exchange import KeyAgreement
from appliance.protocol.handshake import Entropy
from appliance.protocol.identity import Identity
from appliance.protocol.keeping import Keeping
from appliance.protocol.links import Link
from appliance.protocol.membership import Membership
from appliance.protocol.peer import Peer
from appliance.protocol.pressure import Grade
from appliance.protocol.probation import Probation
from appliance.protocol.probing import Probing
from appliance.protocol.reception import Reception
from appliance.protocol.session import Session, SessionState
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.protocol.shared import Shared
from appliance.protocol.strangers import Strangers
from appliance.protocol.timers import Deadline
from appliance.wire.faults import Fault
from appliance.wire.fragments import Reassembly

REASSEMBLY_SECONDS = 5.0


class Node:
    """One node. `now` is monotonic seconds everywhere; it never goes back."""

    def __init__(
        self,
        settings: NodeSettings,
        identity: Identity,
        suites: Sequence[CryptoSuite],
        *,
        now: float,
        entropy: Entropy,
        peers: Iterable[PeerSettings] = (),
        agreement: KeyAgreement | None = None,
        deferring: bool = False,
    ) -> None:
        """`suites` are those registered; `settings.suites` names which may be used. `agreement` is for tests with fixed keys.
        `deferring`: the costly steps of handshakes wait for `handle_work`."""
        self._shared = Shared(settings, identity, suites, entropy, agreement or KeyAgreement())
        self._shared.deferring = deferring
        self._reassembly = Reassembly(settings.reassembly_bytes, REASSEMBLY_SECONDS)
        self._connecting = Connecting(self._shared)
        self._probing = Probing(self._shared)
        self.control = ControlChannel(self._shared)
        """What else goes through the sessions' control channel. After each call take events, as after `handle_…`."""
        self._keeping = Keeping(self._shared, self._connecting, self._probing, self.control)
        self._membership = Membership(self._shared, self._connecting, self._keeping)
        self._probation = Probation(self._shared, self._connecting, self._keeping)
        self._answering = Answering(self._shared, self._reassembly, self._probation.admit, now)
        self._reception = Reception(self._shared, self._connecting, self._answering, self._keeping, self._reassembly, now)
        self._strangers = Strangers(self._shared)
        self._of_index: Mapping[Deadline, Callable[[int, float], None]] = {
            Deadline.HELLO: self._connecting.resend,
            Deadline.ANSWER: self._answering.expire,
            Deadline.ALIVE: self._keeping.check_alive,
            Deadline.ROTATE: self._keeping.rotate,
            Deadline.LINGER: self._keeping.linger_over,
            Deadline.COMPRESSION: self._keeping.agreeing.due,
            Deadline.ASK: self.control.due,
            Deadline.LINK: self._strangers.expire,
            Deadline.PATH: self._probing.due,
        }
        self._of_peer: Mapping[Deadline, Callable[[Peer, float], None]] = {
            Deadline.CONNECT: self._membership.connect_if_alone,
            Deadline.DIAL: self._connecting.dial_timed_out,
            Deadline.PROBATION: self._probation.time_is_up,
            Deadline.WANTED: self._membership.wanted_in_vain,
        }
        for peer in peers:
            self._membership.add(peer, now)

    @property
    def sessions(self) -> Mapping[int, Session]:
        """Sessions by local index; look, don't touch."""
        return MappingProxyType(self._shared.sessions)

    @property
    def peers(self) -> Mapping[str, Peer]:
        """Peers by name; look, don't touch."""
        return MappingProxyType(self._shared.peers)

    def parity(self, link: LinkId) -> int:
        """Pieces of a cut record for each parity piece that goes with it over `link`; 0: none."""
        over = self._shared.links.get(link)
        return over.protection.span if over is not None else 0

    @property
    def counters(self) -> Counter[str]:
        """What happened how often, by name (docs/protocol.md lists them)."""
        return self._shared.counters

    def path(self, session: Session) -> tuple[int, str]:
        """Bytes of the datagrams on the path of `session` (0 on streams), and why; see `Link.measured`."""
        link = self._shared.links.get(session.link)
        return link.measured if link is not None else (0, "")

    @property
    def pending(self) -> int:
        """Handshakes under way on either side."""
        return len(self._connecting) + len(self._answering)

    @property
    def cookie_secret(self) -> bytes:
        """What this node's cookies are made with, for workers that judge hellos before they come here."""
        return self._answering.secret

    @property
    def handshakes_per_second(self) -> int:
        """How many handshakes of strangers it takes."""
        return self._shared.settings.handshakes_per_second

    @property
    def crowded(self) -> bool:
        """Must whoever begins a handshake return a cookie, because too many are unfinished?"""
        return self._answering.crowded

    def run_short(self, grade: Grade) -> None:
        """This host is so short of something. Strained: whoever begins a handshake returns a cookie first. Exhausted: besides,
        strangers get no session; peers do. Costs no packet anything."""
        self._answering.grade = grade
        self._probation.closed = grade is Grade.EXHAUSTED

    def add_peer(self, settings: PeerSettings, now: float) -> None:
        """Somebody who may have a session from now on. Its name and identity are nobody else's. Called at once if it can be."""
        self._membership.add(settings, now)

    def change_peer(self, settings: PeerSettings, now: float) -> None:
        """The peer of that name is like this from now on. Its sessions go on, unless it has another identity: then it is another
        peer, and they end."""
        self._membership.change(settings, now)

    def drop_peer(self, name: str, now: float) -> None:
        """A peer that is a stranger from now on: its sessions end, with a word to it. Nothing happens when there is none."""
        self._membership.drop(name, now)

    def tell_of_faults(self, listener: Callable[[str, str], None]) -> None:
        """Have `listener(peer, reason)` called for each fault in what comes through the session of a peer (no stranger's): nobody
        else can have sent that. It must not raise, nor call this node."""
        self._shared.blamed = listener

    def block(self, identity: str, now: float) -> None:
        """Whoever has that fingerprint, a peer or a stranger, has no session until `unblock`: those that there are end, and its
        handshakes and ours with it are refused. It stays a peer, so nobody takes its name or its prefixes."""
        self._membership.block(identity, now)
        self.end_stranger(identity, now)

    def unblock(self, identity: str, now: float) -> None:
        """It may have a session again."""
        self._membership.unblock(identity, now)

    def learn(self, suites: Sequence[CryptoSuite]) -> None:
        """Further suites are registered. Which may be used, `update` says; none is ever forgotten."""
        self._shared.learn(suites)

    def update(self, settings: NodeSettings, now: float) -> None:
        """Take another policy and other limits. Sessions go on unless the policy no longer allows them."""
        shared = self._shared
        before, policy = shared.settings, shared.policy
        shared.configure(settings)
        if settings.handshakes_per_second != before.handshakes_per_second:
            self._answering.configure(now)
            self._strangers.configure()
        self._reassembly.resize(settings.reassembly_bytes)
        if shared.policy != policy:
            self._membership.renew_disallowed(now)

    def handle_packet(self, link: LinkId, source: SocketAddress | None, packet: bytes, now: float) -> None:
        """A handshake packet, header and body, as it came over `link` (from `source` on a shared socket)."""
        self._reception.take(link, source, packet, now)

    @property
    def has_work(self) -> bool:
        """Does a costly step of a handshake wait?"""
        return bool(self._shared.begun or self._shared.fresh)

    def handle_work(self, now: float) -> bool:
        """Do one costly step (up to a few milliseconds). Handshakes under way go before those of strangers. False if none
        waits."""
        return self._shared.work(now)

    def handle_message(self, session: int, kind: int, channel: int, body: bytes, now: float) -> None:
        """A record that the worker opened: an Ack, a KeepAlive, a Disconnect, or Data of the control channel."""
        found = self._shared.sessions.get(session)
        if found is None:
            self._shared.counters[Fault.UNKNOWN_SESSION] += 1
            return
        self._keeping.take_message(found, kind, channel, body, now)

    def handle_activity(self, session: int, received: int, now: float) -> None:
        """`received` authentic records came for the session so far. To be told about once a second, if it has changed."""
        found = self._shared.sessions.get(session)
        if found is not None and received > found.received:
            fresh = received - found.received - found.aside
            found.received, found.aside = received, 0
            if fresh > 0:
                self._keeping.heard(found, now)

    @property
    def strangers(self) -> Sequence[str]:
        """Names of those on probation (`protocol.probation`), which are their fingerprints."""
        return self._probation.names

    def call_stranger(self, fingerprint: str, endpoints: Sequence[Endpoint], within: float, now: float) -> bool:
        """Call who has that fingerprint, at these endpoints (address literals), for at most `within` seconds, although it is no
        peer. PeerConnected follows, under its fingerprint as name, and StrangerGone in any case. False: it is a peer or this very
        node, or there are too many such calls."""
        return self._probation.call(fingerprint, endpoints, within, now)

    def promote(self, fingerprint: str, now: float) -> None:
        """`add_peer` was called for a stranger, and it has us as a peer, too: make an ordinary session with it."""
        self._probation.promote(fingerprint, now)

    def end_stranger(self, fingerprint: str, now: float) -> None:
        """End a stranger's probation and its sessions. Nothing happens if there is none."""
        found = self._shared.peers.get(fingerprint)
        if found is not None and not found.proved:
            self._probation.end(found, now)

    def handle_want(self, peer: str, now: float) -> None:
        """Traffic waits for a peer without a session: call it now, even during a pause."""
        found = self._shared.peers.get(peer)
        if found is not None and found.session is None:
            found.want(now)
            self._connecting.connect(found, now)
            if not found.settings.keepalive or found.settings.identity in self._shared.blocked:
                self._shared.timers.set((Deadline.WANTED, peer), found.wanted_until)

    def handle_reachable(self, peer: str, endpoint: Endpoint, now: float) -> None:
        """What an attempt at this endpoint of a peer's had to wait for is there: try it again now, even during a pause."""
        found = self._shared.peers.get(peer)
        if found is None or found.session is not None or found.busy or endpoint not in found.endpoints:
            return
        if found.settings.keepalive or now < found.wanted_until:
            found.at = found.endpoints.index(endpoint)
            self._connecting.connect(found, now)

    def handle_link(
        self,
        link: LinkId,
        peer: str | None,
        local: Endpoint,
        remote: Endpoint | None,
        datagram: bool,
        now: float,
        *,
        listener: bool = False,
        datagram_bytes: int = 1400,
        adapts: bool = False,
    ) -> None:
        """A link is there: one that a Dial asked for (with its `peer`), one that was accepted, or a listener's shared socket.
        A Dial may find one that is there already. `datagram_bytes` is the longest UDP payload that goes over it in one piece.
        `adapts`: paths may take less, and the driver does what Shape and SendProbe say."""
        known = self._shared.links.get(link)
        added = known or Link(link, local, remote, datagram, listener, datagram_bytes, adapts=datagram and adapts)
        self._shared.links[link] = added
        found = self._shared.peers.get(peer) if peer is not None else None
        if found is not None and self._connecting.dialed(found):
            if self._membership.alone(found):
                self._connecting.begin(found, link, None, now)
            else:
                self._shared.drop_unused(added)
            self._connecting.pump(now)
        elif not listener and known is None:
            self._strangers.greet(link, now)

    def may_come(self, source: SocketAddress, now: float) -> bool:
        """May a stranger at `source` have a link? Ask before `handle_link` for each that is accepted."""
        return self._strangers.may_come(source, now)

    def full(self, now: float) -> bool:
        """Are there so many strangers that no further link is to be accepted for now?"""
        return self._strangers.full(now)

    def handle_dial_failed(self, peer: str, endpoint: Endpoint, reason: str, now: float) -> None:
        """A Dial failed; `reason` is for the admin."""
        found = self._shared.peers.get(peer)
        if found is not None:
            self._connecting.dial_failed(found, f"{endpoint}: {reason}", now)

    def handle_link_closed(self, link: LinkId, now: float) -> None:
        """A link is gone."""
        gone = self._shared.links.pop(link, None)
        if gone is None:
            return
        self._strangers.link_closed(link)
        self._shared.timers.cancel((Deadline.LINK, link))
        self._shared.timers.cancel((Deadline.PATH, link))
        self._answering.link_closed(link)
        self._keeping.link_closed(gone, now)
        self._connecting.link_closed(link, now)

    def handle_readdressed(self, session: int, link: LinkId, source: SocketAddress | None, now: float) -> None:
        """This host's address changed: the session goes on over another socket to the same far end. The peer is asked at once,
        so that it sees where this node is now."""
        found, over = self._shared.sessions.get(session), self._shared.links.get(link)
        if found is not None and over is not None:
            self._keeping.roaming.moved(found, over, source, now)
            self._keeping.unanswered(found, now)

    def handle_unanswered(self, session: int, now: float) -> None:
        """Records went out on the session in the last second or so and none came in."""
        found = self._shared.sessions.get(session)
        if found is not None:
            self._keeping.unanswered(found, now)

    def handle_slept(self, seconds: float, now: float) -> None:
        """This host was asleep for so long, and `now` did not count it."""
        self._keeping.slept(seconds, now)

    def handle_moved(self, session: int, link: LinkId, source: SocketAddress | None, now: float) -> None:
        """The session's newest record came by another path. (Of older records this must not be told: whoever replays one could
        move us.)"""
        found, over = self._shared.sessions.get(session), self._shared.links.get(link)
        if found is not None and over is not None:
            self._keeping.heard(found, now)
            self._keeping.roaming.moved(found, over, source, now)

    def handle_aside(
        self, session: int, link: LinkId, source: SocketAddress | None, kind: int, body: bytes, now: float, *, newest: bool
    ) -> None:
        """A KeepAlive or an Ack that the worker opened came by another path than the session's. `newest`: no newer record has."""
        found, over = self._shared.sessions.get(session), self._shared.links.get(link)
        if found is not None and over is not None:
            self._keeping.take_aside(found, over, source, kind, body, newest=newest, now=now)

    def probe_path(self, peer: str, link: LinkId, to: SocketAddress | None, now: float) -> int:
        """See whether `peer` is reached by this path: a PathProved follows if it is. Returns the token that was sent, 0 for none:
        without a session nothing is tried."""
        known, over = self._shared.peers.get(peer), self._shared.links.get(link)
        session = self._shared.sessions.get(known.session) if known is not None and known.session is not None else None
        return 0 if session is None or over is None else self._keeping.upgrading.probe(session, over, to, now)

    def take_path(self, peer: str, endpoint: Endpoint, now: float) -> bool:
        """Move the session with `peer` to a path that was proved. False if there is none such."""
        known = self._shared.peers.get(peer)
        session = self._shared.sessions.get(known.session) if known is not None and known.session is not None else None
        return session is not None and self._keeping.upgrading.take(session, endpoint, now)

    def handle_one_way(self, session: int, now: float) -> None:
        """Traffic went out on the session in the last second or so, and no traffic came in, though other records may have: are
        its records too long for the path?"""
        found = self._shared.sessions.get(session)
        if found is not None:
            self._probing.suspect(found, now)

    def handle_link_limit(self, link: LinkId, datagram_bytes: int, now: float) -> None:
        """The kernel learned the longest datagram that `link` takes, and its driver keeps to that already."""
        self._probing.limited(link, datagram_bytes, now)

    def handle_loss(self, link: LinkId, lost: float) -> None:
        """This share (0 to 1) of the datagrams that should have come over `link` lately did not."""
        over = self._shared.links.get(link)
        if over is not None:
            self._keeping.report_loss(over, min(max(lost, 0.0), 1.0))

    def handle_stalled(self, session: int, now: float) -> None:
        """The session's keys have run apart, and only a new handshake brings them together."""
        found = self._shared.sessions.get(session)
        if found is not None and found.state is SessionState.ACTIVE:
            self._keeping.renew(found, now)

    def handle_no_room(self, session: int, now: float) -> None:
        """The data plane has no room for a session that is ready. To be told before the next event is taken."""
        found = self._shared.sessions.get(session)
        if found is not None:
            self._keeping.no_room(found, now)

    def handle_keys_lost(self, now: float, kept: Container[int] = ()) -> None:
        """The keys of all sessions but those `kept` are gone, because the worker that had them died: make new ones over the paths
        there were."""
        names = dict.fromkeys(session.peer for session in self._shared.sessions.values() if session.index not in kept)
        peers = [self._shared.peers[name] for name in names]
        self._probing.drivers_lost()
        for peer in peers:
            self._connecting.cancel(peer, now)
        for session in [session for session in self._shared.sessions.values() if session.index not in kept]:
            self._keeping.keys_lost(session, now)
        for peer in peers:
            self._membership.connect_if_alone(peer, now)

    def handle_known_path(self, peer: str, link: LinkId, source: SocketAddress | None, now: float) -> None:
        """`peer` was at the other end of `link`, or came in through this listener from `source`, before this node was started
        anew: call it there, once."""
        found = self._shared.peers.get(peer)
        if found is not None and self._membership.alone(found) and not found.busy and link in self._shared.links:
            self._connecting.begin(found, link, source, now)

    def handle_candidates(self, peer: str, endpoints: Sequence[Endpoint], now: float) -> None:
        """Where `peer` can be reached, all of it, address literals only, most wanted first."""
        found = self._shared.peers.get(peer)
        if found is not None:
            found.reach_at(endpoints)
            self._membership.try_beside(found, now)
            self._membership.connect_if_alone(found, now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        self._reassembly.expire(now)
        for kind, key in self._shared.timers.due(now):
            if isinstance(key, int):
                self._of_index[kind](key, now)
            else:
                self._of_peer[kind](self._shared.peers[key], now)

    def poll_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called; None: never."""
        return self._shared.timers.next()

    def poll_transmit(self) -> Transmit | None:
        """The next packet to send."""
        transmits = self._shared.transmits
        return transmits.popleft() if transmits else None

    def poll_event(self) -> Event | None:
        """The next thing to do or to know."""
        events = self._shared.events
        return events.popleft() if events else None

    def shutdown(self, now: float) -> None:
        """Say goodbye to everyone. The node is empty afterwards."""
        for name in self._probation.names:
            self.end_stranger(name, now)
        self._membership.leave(now)

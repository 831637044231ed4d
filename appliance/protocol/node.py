"""The control machine of one node: everything about whom to talk to under which keys, and nothing that moves user traffic.

Drive it with the `handle_…` methods; after each call take `poll_event` until None, then `poll_transmit` until None, and call
`handle_timeout` when `poll_timeout` says. Nothing a peer sends raises: this is the one place that judges it (see `counters`).
Costly steps of a handshake (key exchange, signatures) take up to a few milliseconds: when `deferring`, they wait for
`handle_work`; nothing else costs more than microseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from appliance.api.crypto import CryptoSuite
from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.errors import PeerFault
from appliance.protocol.admission import TokenBucket
from appliance.protocol.answering import Answering
from appliance.protocol.connecting import Connecting
from appliance.protocol.context import Context
from appliance.protocol.events import CloseReason, Event, LinkId, Protect, Transmit
from appliance.protocol.exchange import KeyAgreement
from appliance.protocol.handshake import Entropy
from appliance.protocol.identity import Identity
from appliance.protocol.keeping import Keeping
from appliance.protocol.links import Link
from appliance.protocol.peer import Peer
from appliance.protocol.probing import Probing
from appliance.protocol.session import Session, SessionState
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.wire.envelope import (
    FLAG_COOKIE,
    FLAG_FRAGMENT,
    FLAG_NO_SESSION,
    HEADER_BYTES,
    PROTO,
    Fields,
    PacketType,
    read_no_session,
    unpack,
)
from appliance.wire.fragments import MAX_MESSAGE_BYTES, Reassembly
from appliance.wire.liveness import Farewell

REASSEMBLY_SECONDS = 5.0
STRANGER_SECONDS = 10.0
"""How long an accepted link may stay without a handshake."""
MAX_STRANGER_LINKS = 256
HINTS_PER_SECOND = 50
"""Words about lost sessions that we look up; as many as one worker sends."""


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
        agreement: KeyAgreement | None = None,
        deferring: bool = False,
    ) -> None:
        """`suites` are those registered; `settings.suites` names which may be used. `agreement` is for tests with fixed keys.
        `deferring`: the costly steps of handshakes wait for `handle_work`."""
        self._context = Context(settings, identity, suites, entropy, agreement or KeyAgreement())
        self._context.deferring = deferring
        self._reassembly = Reassembly(settings.reassembly_bytes, REASSEMBLY_SECONDS)
        self._connecting = Connecting(self._context)
        self._answering = Answering(self._context, self._reassembly, now)
        self._probing = Probing(self._context)
        self._keeping = Keeping(self._context, self._connecting, self._probing)
        self._strangers: dict[LinkId, None] = {}
        self._hints = TokenBucket(HINTS_PER_SECOND, HINTS_PER_SECOND, now)
        for peer in settings.peers:
            self._add(peer, now)

    @property
    def sessions(self) -> Mapping[int, Session]:
        """Sessions by local index; look, don't touch."""
        return MappingProxyType(self._context.sessions)

    @property
    def peers(self) -> Mapping[str, Peer]:
        """Configured peers by name; look, don't touch."""
        return MappingProxyType(self._context.peers)

    def parity(self, link: LinkId) -> int:
        """Pieces of a cut record for each parity piece that goes with it over `link`; 0: none."""
        over = self._context.links.get(link)
        return over.protection.span if over is not None else 0

    @property
    def counters(self) -> Counter[str]:
        """What happened how often, by name (docs/protocol.md lists them)."""
        return self._context.counters

    def path(self, session: Session) -> tuple[int, str]:
        """Bytes of a datagram on the path of `session` (0 on streams), and how sure that is: a PathState, "fixed" or "shared"."""
        link = self._context.links.get(session.link)
        if link is None or not link.datagram:
            return 0, ""
        if link.path is not None:
            return link.path.size, link.path.state
        return link.shaped or link.datagram_bytes, "shared" if link.adapts else "fixed"

    @property
    def pending(self) -> int:
        """Handshakes under way on either side."""
        return len(self._connecting) + len(self._answering)

    def update(self, settings: NodeSettings, now: float) -> None:
        """Take a changed profile. Sessions go on unless their peer left or the policy no longer allows them."""
        context = self._context
        before, policy = context.settings, context.policy
        context.configure(settings)
        if settings.handshakes_per_second != before.handshakes_per_second:
            self._answering.configure(now)
        self._reassembly.resize(settings.reassembly_bytes)
        wanted = {peer.name: peer for peer in settings.peers}
        sessions = self._sessions_by_peer()
        for peer in list(context.peers.values()):
            changed = wanted.get(peer.name)
            if changed is None or changed.identity != peer.settings.identity:
                self._drop(peer, sessions.get(peer.name, ()), now)
        for changed in settings.peers:
            known = context.peers.get(changed.name)
            if known is None:
                self._add(changed, now)
            elif changed != known.settings:
                known.configure(changed)
                self._connect_if_alone(known, now)
                self._keeping.agree_anew(known, now)
        if context.policy != policy:
            self._renew_disallowed(now)

    def handle_packet(self, link: LinkId, source: SocketAddress | None, packet: bytes, now: float) -> None:
        """A handshake packet, header and body, as it came over `link` (from `source` on a shared socket)."""
        try:
            self._take_packet(link, source, packet, now)
        except PeerFault as fault:
            self._context.judge(fault.message, self._peer_on(packet))

    @property
    def has_work(self) -> bool:
        """Does a costly step of a handshake wait?"""
        return bool(self._context.begun or self._context.fresh)

    def handle_work(self, now: float) -> bool:
        """Do one costly step (up to a few milliseconds): of a handshake under way before a stranger's. False when none waits."""
        waiting = self._context.begun or self._context.fresh
        if not waiting:
            return False
        work, peer = waiting.popleft()
        try:
            work(now)
        except PeerFault as fault:
            self._context.judge(fault.message, peer)
        return True

    def handle_message(self, session: int, kind: PacketType, channel: int, body: bytes, now: float) -> None:
        """A record that the worker opened: an Ack, a KeepAlive, a Disconnect, or Data of the control channel."""
        found = self._context.sessions.get(session)
        if found is None:
            self._context.counters["unknown-session"] += 1
            return
        try:
            self._keeping.take_message(found, kind, channel, body, now)
        except PeerFault as fault:
            self._context.judge(fault.message, found.peer)

    def handle_activity(self, session: int, received: int, now: float) -> None:
        """`received` authentic records so far; tell about once a second for sessions where that changed."""
        found = self._context.sessions.get(session)
        if found is not None and received > found.received:
            found.received = received
            self._keeping.heard(found, now)

    def handle_want(self, peer: str, now: float) -> None:
        """Traffic waits for a peer without a session: do not sit out a pause."""
        found = self._context.peers.get(peer)
        if found is not None and found.session is None:
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
        `datagram_bytes` is the longest UDP payload that goes over it in one piece; with `adapts`, paths may take less, and the
        driver does what Shape and SendProbe say."""
        added = Link(link, local, remote, datagram, listener, datagram_bytes, adapts=datagram and adapts)
        self._context.links[link] = added
        found = self._context.peers.get(peer) if peer is not None else None
        if found is not None and self._connecting.dialed(found):
            if self._alone(found):
                self._connecting.begin(found, link, None, now)
            else:
                self._context.drop_unused(added)
            self._connecting.pump(now)
        elif not listener:
            self._greet(link, now)

    def handle_dial_failed(self, peer: str, endpoint: Endpoint, reason: str, now: float) -> None:
        """A Dial came to nothing; `reason` is for the admin."""
        found = self._context.peers.get(peer)
        if found is not None:
            self._connecting.dial_failed(found, f"{endpoint}: {reason}", now)

    def handle_link_closed(self, link: LinkId, now: float) -> None:
        """A link is gone."""
        if self._context.links.pop(link, None) is None:
            return
        self._strangers.pop(link, None)
        self._context.timers.cancel(("link", link))
        self._context.timers.cancel(("path", link))
        self._answering.link_closed(link)
        self._keeping.link_closed(link, now)
        self._connecting.link_closed(link, now)

    def handle_unanswered(self, session: int, now: float) -> None:
        """Records went out on the session in the last second or so and none came in."""
        found = self._context.sessions.get(session)
        if found is not None:
            self._keeping.unanswered(found, now)

    def handle_moved(self, session: int, link: LinkId, source: SocketAddress | None, now: float) -> None:
        """The session's newest record so far came by another path. (Older ones must not be told: a replay could move us.)"""
        found, over = self._context.sessions.get(session), self._context.links.get(link)
        if found is not None and over is not None:
            self._keeping.heard(found, now)
            self._keeping.moved(found, over, source, now)

    def handle_one_way(self, session: int, now: float) -> None:
        """Traffic went out on the session in the last second or so and none came in, whatever else did: is it too long?"""
        found = self._context.sessions.get(session)
        if found is not None:
            self._probing.suspect(found, now)

    def handle_link_limit(self, link: LinkId, datagram_bytes: int, now: float) -> None:
        """The kernel learned that `link` takes no longer datagrams than that, and its driver cuts them so already."""
        self._probing.limited(link, datagram_bytes, now)

    def handle_loss(self, link: LinkId, lost: float) -> None:
        """Of the datagrams that should have come over `link` lately, this share (0 to 1) did not."""
        over = self._context.links.get(link)
        if over is not None:
            self._keeping.report_loss(over, min(max(lost, 0.0), 1.0))

    def handle_stalled(self, session: int, now: float) -> None:
        """The session's keys have run apart, and only a new handshake brings them together."""
        found = self._context.sessions.get(session)
        if found is not None and found.state is SessionState.ACTIVE:
            self._keeping.renew(found, now)

    def handle_keys_lost(self, now: float) -> None:
        """The keys of all sessions are gone, because the worker that had them died: make new ones over the paths there were."""
        self._probing.drivers_lost()
        for link in self._context.links.values():
            if link.protection.span:
                self._context.events.append(Protect(link.number, link.protection.span))
        for peer in list(self._context.peers.values()):
            self._connecting.cancel(peer, now)
        for session in list(self._context.sessions.values()):
            self._keeping.keys_lost(session, now)
        for peer in list(self._context.peers.values()):
            self._connect_if_alone(peer, now)

    def handle_known_path(self, peer: str, link: LinkId, source: SocketAddress | None, now: float) -> None:
        """`peer` was at the other end of `link`, or came in through this listener from `source`, before this node was started
        anew: call it there, once."""
        found = self._context.peers.get(peer)
        if found is not None and self._alone(found) and not found.busy and link in self._context.links:
            self._connecting.begin(found, link, source, now)

    def handle_candidates(self, peer: str, endpoints: Sequence[Endpoint], now: float) -> None:
        """Where `peer` can be reached, all of it, address literals only, most wanted first."""
        found = self._context.peers.get(peer)
        if found is not None:
            found.reach_at(endpoints)
            self._connect_if_alone(found, now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        self._reassembly.expire(now)
        for kind, key in self._context.timers.due(now):
            if isinstance(key, int):
                self._due(kind, key, now)
            elif kind == "dial":
                self._connecting.dial_failed(self._context.peers[key], "dial-timeout", now)
            else:
                self._connect_if_alone(self._context.peers[key], now)

    def poll_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called; None: never."""
        return self._context.timers.next()

    def poll_transmit(self) -> Transmit | None:
        """The next packet to send."""
        transmits = self._context.transmits
        return transmits.popleft() if transmits else None

    def poll_event(self) -> Event | None:
        """The next thing to do or to know."""
        events = self._context.events
        return events.popleft() if events else None

    def shutdown(self, now: float) -> None:
        """Say goodbye to everyone. The node is empty afterwards."""
        sessions = self._sessions_by_peer()
        for peer in list(self._context.peers.values()):
            self._drop(peer, sessions.get(peer.name, ()), now, Farewell.SHUTDOWN, CloseReason.SHUTDOWN)

    def _take_packet(self, link: LinkId, source: SocketAddress | None, packet: bytes, now: float) -> None:
        fields = unpack(packet)
        if fields is None:
            raise PeerFault(_why_no_header(packet))
        over = self._context.links.get(link)
        if over is None:
            raise PeerFault("unknown-link")
        _, kind, flags, stream, _, _, length, _ = fields
        piece = bytes(packet[HEADER_BYTES:])
        if flags & FLAG_FRAGMENT:
            if not over.datagram:
                raise PeerFault("bad-fragment")
        elif length != len(piece):
            raise PeerFault("malformed")
        if length > MAX_MESSAGE_BYTES:
            raise PeerFault("too-long")
        if kind == PacketType.HANDSHAKE_RESPONSE:
            self._take_response(over, source, fields, piece, now)
        elif kind != PacketType.HANDSHAKE_INIT:
            raise PeerFault("unexpected")
        elif stream >> 8 == 0:
            self._answering.take_hello(over, source, fields, piece, now)
        else:
            self._take_finish(over, source, fields, piece, now)

    def _take_response(self, link: Link, source: SocketAddress | None, fields: Fields, piece: bytes, now: float) -> None:
        _, _, flags, stream, sequence, _, _, _ = fields
        if flags & FLAG_NO_SESSION:
            self._take_no_session(link, source, piece, now)
            return
        initiation = self._connecting.get(stream >> 8)
        if initiation is None or (initiation.link, initiation.to) != (link.number, source):
            raise PeerFault("unknown-index")
        body = piece
        if flags & FLAG_FRAGMENT:
            joined = self._reassembly.add((link.number, source, stream, sequence >> 8), fields, piece, now)
            if joined is None:
                return
            body = joined.body
        if flags & FLAG_COOKIE:
            self._connecting.take_cookie(initiation, body, now)
        else:
            self._connecting.take_answer(initiation, flags, body, now)

    def _take_no_session(self, link: Link, source: SocketAddress | None, body: bytes, now: float) -> None:
        """Word that the other side lost a session. Anybody could have written it: believed where it fits, and not often."""
        index = read_no_session(body)
        if index is None:
            raise PeerFault("malformed")
        if not self._hints.take(now):
            raise PeerFault("rate-limited")
        for session in list(self._context.sessions.values()):
            if session.remote_index == index and (session.link, session.to) == (link.number, source):
                self._keeping.disowned(session, now)

    def _take_finish(self, link: Link, source: SocketAddress | None, fields: Fields, piece: bytes, now: float) -> None:
        self._answering.take_finish(link, source, fields, piece, now, self._keeping.adopt)

    def _due(self, kind: str, index: int, now: float) -> None:
        if kind == "hello":
            self._connecting.resend(index, now)
        elif kind == "answer":
            self._answering.expire(index)
        elif kind == "alive":
            self._keeping.check_alive(index, now)
        elif kind == "rotate":
            self._keeping.rotate(index, now)
        elif kind == "linger":
            self._keeping.linger_over(index)
        elif kind == "path":
            self._probing.due(index, now)
        elif kind == "compression":
            self._keeping.agreeing.due(index, now)
        else:
            self._strangers.pop(index, None)
            link = self._context.links.get(index)
            if link is not None:
                self._context.drop_unused(link)

    def _add(self, settings: PeerSettings, now: float) -> None:
        self._connect_if_alone(self._context.add_peer(settings), now)

    def _sessions_by_peer(self) -> Mapping[str, Sequence[Session]]:
        found: dict[str, list[Session]] = {}
        for session in self._context.sessions.values():
            found.setdefault(session.peer, []).append(session)
        return found

    def _drop(
        self,
        peer: Peer,
        sessions: Iterable[Session],
        now: float,
        code: Farewell = Farewell.REMOVED,
        reason: CloseReason = CloseReason.REMOVED,
    ) -> None:
        self._connecting.cancel(peer, now)
        for session in sessions:
            if session.index in self._context.sessions:  # `cancel` may have ended one
                self._keeping.say_goodbye(session, code, reason)
        self._context.timers.cancel(("connect", peer.name))
        self._context.drop_peer(peer)

    def _alone(self, peer: Peer) -> bool:
        """Has `peer` no session that is known to work and is not to be replaced?"""
        session = self._context.sessions.get(peer.session) if peer.session is not None else None
        return session is None or session.suspect or session.due

    def _connect_if_alone(self, peer: Peer, now: float) -> None:
        if self._alone(peer) and peer.settings.keepalive:
            self._connecting.connect(peer, now)

    def _renew_disallowed(self, now: float) -> None:
        policy = self._context.policy
        for session in list(self._context.sessions.values()):
            allowed = session.suite.wire_id in policy.suites and any(kex.post_quantum == session.pq for kex in policy.pq.kex)
            if not allowed and session.state is SessionState.ACTIVE:
                self._keeping.disallow(session, now)

    def _greet(self, link: LinkId, now: float) -> None:
        """An accepted link has a while to begin a handshake, and there may be only so many that have not."""
        self._context.timers.set(("link", link), now + STRANGER_SECONDS)
        self._strangers[link] = None
        for stranger in list(self._strangers):
            known = self._context.links.get(stranger)
            if known is None or known.users:
                del self._strangers[stranger]
        if len(self._strangers) > MAX_STRANGER_LINKS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            self._context.counters["stranger-links"] += 1
            self._context.drop_unused(self._context.links[oldest])

    def _peer_on(self, packet: bytes) -> str | None:
        """Whose answer a refused packet was, as far as its header says."""
        fields = unpack(packet)
        if fields is None or fields[1] != PacketType.HANDSHAKE_RESPONSE:
            return None
        initiation = self._connecting.get(fields[3] >> 8)
        return initiation.peer if initiation is not None else None


def _why_no_header(packet: bytes) -> str:
    if len(packet) >= HEADER_BYTES and packet[0] == PROTO >> 8 and packet[1] != PROTO & 0xFF:
        return "version"
    return "bad-header"

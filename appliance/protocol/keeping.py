"""Sessions from their confirmation to their end: which one carries a peer's traffic, is the peer there, are new keys due.

Of two sessions with a peer the newer carries the traffic, except when both sides called at the same time: then the one begun by
the smaller fingerprint does, which both sides know without asking.
"""

from __future__ import annotations

from appliance.api.transport import SocketAddress
from appliance.errors import PeerFault
from appliance.protocol.agreeing import Agreeing
from appliance.protocol.connecting import Connecting
from appliance.protocol.control_channel import ControlChannel
from appliance.protocol.counted import Count
from appliance.protocol.events import (
    CloseReason,
    Protect,
    SendMessage,
    SessionConfirmed,
    SessionReplaced,
)
from appliance.protocol.links import Link
from appliance.protocol.peer import Peer
from appliance.protocol.probing import Probing
from appliance.protocol.roaming import Roaming
from appliance.protocol.session import PROBATION_SECONDS, Session, SessionState
from appliance.protocol.shared import Shared
from appliance.protocol.timers import Deadline
from appliance.protocol.upgrading import Upgrading
from appliance.wire import liveness
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType
from appliance.wire.faults import Fault
from appliance.wire.liveness import PATH_PROBE, Ack

LINGER_SECONDS = 5.0
"""How long a replaced session still receives: longer than any reordering we know of."""
PROBE_GAP = 1.0
"""Seconds between KeepAlives that nobody answers."""
UNANSWERED_GAP = 0.5
"""The same while traffic goes out and nothing comes back, so that a peer that lost its state is called again within three
seconds."""
PROBES = 3
"""KeepAlives without an answer after which a path counts as dead. On a path that loses 5 % that is wrong once in 8,000 times."""
RESPONDER_SHARE = 1.2
"""The side that was called renews a session later by this factor, so that usually only the other side does."""
OVERDUE_SHARE = 2.0
"""A session that was not replaced ends after this many times `rotate_after`."""
ROTATE_RETRY = 5.0
"""Seconds until a renewal that failed is tried again."""
DISOWNED_GAP = 5.0
"""Least seconds between two handshakes that unauthenticated no-session packets may prompt with one peer."""
DISALLOWED_SECONDS = 10.0
"""How long a session may last while its replacement is made that a changed policy forbids, or that grew old asleep."""
RECONNECT_PAUSE = 1.0
"""Seconds, more or less, until a peer is called whose session ended in order."""


class Keeping:
    """All sessions of a node."""

    def __init__(self, shared: Shared, connecting: Connecting, probing: Probing, control: ControlChannel) -> None:
        self._shared = shared
        self._connecting = connecting
        self._probing = probing
        self._control = control
        self.roaming = Roaming(shared, probing)
        self.upgrading = Upgrading(shared, self.roaming, self.probe)
        self.agreeing = Agreeing(shared, control)

    def adopt(self, session: Session, now: float) -> None:
        """`session` is confirmed: let it carry its peer's traffic, unless the session that does so now has to go on."""
        shared = self._shared
        peer = shared.peers[session.peer]
        session.move(SessionState.ACTIVE)
        session.since = now
        session.heard(now)
        if session.initiator:
            self._connecting.confirmed(session)
        old = shared.sessions.get(peer.session) if peer.session is not None else None
        if old is not None and self._keeps(old, session):
            self._replace(session, old, now)
            return
        shared.counters[Count.COMPLETED] += 1
        peer.session = session.index
        peer.reached()
        self._give_up_own(peer, session, now)
        self._probing.begin(session, now)  # before what waits for the session goes out
        shared.events.append(SessionConfirmed(session.index, session.peer))
        if not session.initiator:
            self.probe(session, now)
            session.confirm_sent = now
        if old is None:
            self._control.connected(session)
            self._time_stranger(peer, now)
        self.agreeing.begin(session, now)
        if old is not None:
            self._replace(old, session, now)
            self._control.renewed(session, now)
        shared.timers.set((Deadline.ALIVE, session.index), now + self._patience(peer))
        share = 1.0 if session.initiator else RESPONDER_SHARE
        shared.timers.set((Deadline.ROTATE, session.index), now + share * shared.settings.rotate_after)
        session.expires = now + OVERDUE_SHARE * shared.settings.rotate_after

    def _time_stranger(self, peer: Peer, now: float) -> None:
        """A stranger's time begins with its first session, and ends with the first of the peer that it has become."""
        if not peer.proved:
            self._shared.timers.set((Deadline.PROBATION, peer.name), now + PROBATION_SECONDS)
        elif peer.settings.identity in self._shared.peers:
            self._shared.timers.set((Deadline.PROBATION, peer.settings.identity), now)

    def heard(self, session: Session, now: float) -> None:
        """An authentic packet came for `session`."""
        session.heard(now)
        self._probing.heard(session, now)
        if session.state is SessionState.HANDSHAKING:
            self.adopt(session, now)

    def take_message(self, session: Session, kind: int, channel: int, body: bytes, now: float) -> None:
        """Take a record that the worker opened and passed on. What is wrong with it is counted here and not raised."""
        try:
            self._read(session, kind, channel, body, now)
        except PeerFault as fault:
            self._blame(session, fault)

    def take_aside(
        self, session: Session, link: Link, source: SocketAddress | None, kind: int, body: bytes, *, newest: bool, now: float
    ) -> None:
        """Take a KeepAlive or an Ack that came by another path than the session's. `newest`: no newer record has come. What
        is wrong with it is counted here and not raised."""
        try:
            ask = kind == PacketType.KEEP_ALIVE
            token = liveness.decode_keep_alive(body) if ask else liveness.decode_ack(body).token
        except PeerFault as fault:
            self._blame(session, fault)
            return
        if not token & PATH_PROBE:
            if newest:
                self.heard(session, now)
                self.roaming.moved(session, link, source, now)
            self.take_message(session, kind, 0, body, now)
        elif session.state is SessionState.ACTIVE:
            session.aside += 1
            if ask:
                self.upgrading.asked(session, link, source, token, now)
            else:
                self.upgrading.answered(session, link, source, token, now)

    def _blame(self, session: Session, fault: PeerFault) -> None:
        self._shared.judge(fault.message, session.peer)
        if session.proved:
            self._shared.blamed(session.peer, fault.message)

    def _read(self, session: Session, kind: int, channel: int, body: bytes, now: float) -> None:
        self.heard(session, now)
        if session.state is SessionState.CLOSED:
            return
        if kind == PacketType.KEEP_ALIVE:
            self._acknowledge(session, liveness.decode_keep_alive(body))
        elif kind == PacketType.ACK:
            self._take_ack(session, liveness.decode_ack(body), now)
        elif kind == PacketType.DISCONNECT:
            self._farewell(session, now)
        elif kind == PacketType.DATA and channel == CHANNEL_CONTROL:
            self._control.take(session, body, now)
        else:
            raise PeerFault(Fault.UNEXPECTED)

    def check_alive(self, index: int, now: float) -> None:
        """The timer of a session: ask for a sign of life, look for another path, or end it."""
        shared = self._shared
        session = shared.sessions.get(index)
        if session is None or session.state is not SessionState.ACTIVE:
            return
        peer = shared.peers[session.peer]
        # Deadlines, not durations: a difference of floats may round below what a sum reached, and the timer would not move on.
        idle_at = session.last_heard + shared.settings.idle
        ask_at = session.last_heard + self._patience(peer)
        if now >= idle_at:
            shared.close(session, CloseReason.IDLE)
            self.reconnect(peer, now, 0.0)
            return
        hurried = now < ask_at and session.probes > 0  # see `unanswered`
        if now < ask_at and not hurried:
            shared.timers.set((Deadline.ALIVE, index), ask_at)
            return
        if self.upgrading.fall_back(session, now):
            shared.timers.set((Deadline.ALIVE, index), now + self._patience(peer))
            return
        if session.probes >= PROBES and not session.suspect:
            session.suspect = True
            shared.counters[Count.PATH_DEAD] += 1
            peer.skip(session.endpoint)
            peer.want(now)
            self._connecting.connect(peer, now)
        self.probe(session, now)
        self.upgrading.try_reserve(session, now)
        session.probes += 1
        gap = UNANSWERED_GAP if hurried else PROBE_GAP
        if session.suspect:
            gap = max(PROBE_GAP, peer.settings.keepalive)
        shared.timers.set((Deadline.ALIVE, index), min(now + gap, idle_at))

    def unanswered(self, session: Session, now: float) -> None:
        """We send on `session` and nothing comes back: ask at once, and do not wait for a long silence."""
        if session.state is SessionState.ACTIVE and not session.probes and not session.suspect:
            self.probe(session, now)
            self.upgrading.try_reserve(session, now)
            self._probing.suspect(session, now)
            session.probes = 1
            self._shared.timers.set((Deadline.ALIVE, session.index), now + UNANSWERED_GAP)

    def slept(self, seconds: float, now: float) -> None:
        """No timer counted the last `seconds`, for this host was asleep: keys have served so much longer, and the other sides may
        have ended their sessions long ago."""
        shared = self._shared
        for session in [each for each in shared.sessions.values() if each.state is SessionState.ACTIVE]:
            session.expires = min(session.expires, max(session.expires - seconds, now + DISALLOWED_SECONDS))
            shared.timers.sooner((Deadline.ROTATE, session.index), seconds)
            self.unanswered(session, now)

    def rotate(self, index: int, now: float) -> None:
        """The timer of a session: its keys have served long enough."""
        shared = self._shared
        session = shared.sessions.get(index)
        if session is None or session.state is not SessionState.ACTIVE:
            return
        if now >= session.expires:
            peer = shared.peers[session.peer]
            shared.judge(Fault.ROTATION_FAILED, peer.name)
            shared.close(session, CloseReason.ROTATION_FAILED)
            self.reconnect(peer, now, 0.0)
            return
        if not self._goes_home(session, now):
            self.renew(session, now)
        shared.timers.set(
            (Deadline.ROTATE, index), min(session.expires, now + min(ROTATE_RETRY, shared.settings.rotate_after / 4))
        )

    def renew(self, session: Session, now: float) -> None:
        """Begin a handshake over the path of `session`, to replace it."""
        peer = self._shared.peers[session.peer]
        if peer.proved and not peer.busy and session.link in self._shared.links:
            self._shared.counters[Count.ROTATED] += 1
            self._connecting.begin(peer, session.link, session.to, now)

    def _goes_home(self, session: Session, now: float) -> bool:
        """If we began the session and it does not go over its peer's most wanted endpoint, try to make its replacement there."""
        peer = self._shared.peers[session.peer]
        if session.due or not session.initiator or not peer.endpoints or session.endpoint == peer.endpoints[0]:
            return False
        if session.ways is not None and session.ways.chosen:
            return False
        session.due = True
        peer.at = 0
        self._connecting.connect(peer, now)
        return True

    def disallow(self, session: Session, now: float) -> None:
        """The policy no longer allows `session`: replace it now, and end it soon in any case."""
        session.expires = min(session.expires, now + DISALLOWED_SECONDS)
        self.rotate(session.index, now)

    def agree_anew(self, peer: Peer, now: float) -> None:
        """The profile says something else about `peer` now: replace its session if that has agreed on what no longer holds."""
        session = self._shared.sessions.get(peer.session) if peer.session is not None else None
        if session is not None and session.compression != peer.settings.compression:
            self.disallow(session, now)

    def disowned(self, session: Session, now: float) -> None:
        """A packet says that the other side does not know `session`: make another one. This one goes on, since anybody may have
        sent the packet."""
        peer = self._shared.peers[session.peer]
        if session.state is SessionState.ACTIVE and now - peer.disowned_at >= DISOWNED_GAP:
            peer.disowned_at = now
            self._shared.counters[Count.DISOWNED] += 1
            self.renew(session, now)

    def keys_lost(self, session: Session, now: float) -> None:
        """The keys of `session` are gone. If it carried its peer's traffic, make another one over its path, which is known to
        work."""
        current = self._shared.peers[session.peer].session == session.index
        if current:
            self.renew(session, now)
        self._shared.close(session, CloseReason.WORKER_LOST)

    def no_room(self, session: Session, now: float) -> None:
        """The data plane has no room for `session`: end it before it begins. The peer was told nothing yet, so it tries again."""
        self._shared.close(session, CloseReason.NO_ROOM)
        if not self._connecting.no_room(session.index, now):
            self.reconnect(self._shared.peers[session.peer], now, RECONNECT_PAUSE)

    def linger_over(self, index: int, _now: float) -> None:
        """The timer of a replaced session."""
        session = self._shared.sessions.get(index)
        if session is not None and session.state is SessionState.DISCONNECTING:
            self._shared.close(session, CloseReason.REPLACED)

    def link_closed(self, link: Link, now: float) -> None:
        """End the sessions that went over `link`, which is gone; call their peers again at once."""
        using = [self._shared.sessions.get(index) for index in sorted(link.users)]
        for session in [each for each in using if each is not None]:
            self.upgrading.lost(session, link)
        for session in [each for each in using if each is not None and each.link == link.number]:
            current = self._shared.peers[session.peer].session == session.index
            self._shared.close(session, CloseReason.LINK_CLOSED)
            if current:
                self.reconnect(self._shared.peers[session.peer], now, 0.0)

    def say_goodbye(self, session: Session, reason: CloseReason) -> None:
        """End `session` and tell the peer that it is over."""
        if session.state is not SessionState.HANDSHAKING:
            self._shared.events.append(SendMessage(session.index, PacketType.DISCONNECT, 0, b""))
        self._shared.close(session, reason)

    def reconnect(self, peer: Peer, now: float, pause: float) -> None:
        """Call `peer` again after `pause` seconds, more or less, if it can be called."""
        if peer.endpoints and not peer.busy and peer.settings.keepalive:
            self._shared.timers.set((Deadline.CONNECT, peer.name), now + pause * (0.5 + self._shared.chance()))

    def probe(self, session: Session, now: float) -> None:
        """Ask for a sign of life."""
        session.probe_token, session.probe_sent = self._shared.new_token(), now
        self._shared.counters[Count.KEEPALIVE_SENT] += 1
        body = liveness.encode_keep_alive(session.probe_token)
        self._shared.events.append(SendMessage(session.index, PacketType.KEEP_ALIVE, 0, body))

    def _keeps(self, old: Session, new: Session) -> bool:
        """Does `old` go on? Yes if both sides called at the same time, and the side with the smaller fingerprint began `old`."""
        same_time = new.started < old.since and old.initiator != new.initiator
        return same_time and self._begun_by_smaller(old)

    def _begun_by_smaller(self, session: Session) -> bool:
        own = self._shared.identity.fingerprint
        theirs = self._shared.peers[session.peer].settings.identity
        return session.initiator == (own < theirs)

    def _give_up_own(self, peer: Peer, session: Session, now: float) -> None:
        """The peer's call came through: give up our own attempt, unless both sides will keep ours, or the peer may already send
        with the keys of ours."""
        shared = self._shared
        has_keys = peer.initiation in shared.sessions
        if has_keys or (peer.initiation is not None and not self._begun_by_smaller(session)):
            shared.timers.cancel((Deadline.CONNECT, peer.name))
        else:
            self._connecting.cancel(peer, now)

    def _replace(self, old: Session, new: Session, now: float) -> None:
        shared = self._shared
        self.upgrading.inherit(old, new)
        old.move(SessionState.DISCONNECTING)
        shared.timers.cancel((Deadline.ALIVE, old.index))
        shared.timers.cancel((Deadline.ROTATE, old.index))
        shared.timers.cancel((Deadline.COMPRESSION, old.index))
        shared.timers.set((Deadline.LINGER, old.index), now + LINGER_SECONDS)
        shared.events.append(SessionReplaced(old.index, old.peer, new.index))

    def _acknowledge(self, session: Session, token: int) -> None:
        body = liveness.encode_ack(Ack(token, session.received))
        self._shared.events.append(SendMessage(session.index, PacketType.ACK, 0, body))

    def report_loss(self, link: Link, lost: float) -> None:
        """Tell the far end of `link` what share of its datagrams does not arrive."""
        for index in link.users:
            session = self._shared.sessions.get(index)
            if session is not None and session.state is SessionState.ACTIVE:
                body = liveness.encode_ack(Ack(0, session.received, round(lost * liveness.MILLION)))
                self._shared.events.append(SendMessage(session.index, PacketType.ACK, 0, body))
                return

    def _take_loss(self, session: Session, lost: float, now: float) -> None:
        link = self._shared.links.get(session.link)
        if link is not None and link.protection.report(lost, now):
            self._shared.events.append(Protect(link.number, link.protection.span))

    def _take_ack(self, session: Session, ack: Ack, now: float) -> None:
        if ack.lost is not None:
            self._take_loss(session, ack.lost / liveness.MILLION, now)
        if ack.token and ack.token == session.probe_token:
            session.measured(now - session.probe_sent)
            session.probe_token = 0
        elif ack.token and not self.roaming.take_ack(session, ack.token, now):
            self._probing.take_ack(session, ack.token, now)

    def _farewell(self, session: Session, now: float) -> None:
        peer = self._shared.peers[session.peer]
        current = peer.session == session.index
        self._shared.close(session, CloseReason.DISCONNECTED)
        if current:
            self.reconnect(peer, now, RECONNECT_PAUSE)

    def _patience(self, peer: Peer) -> float:
        """Seconds of silence after which we ask for a sign of life, or end the session."""
        idle = self._shared.settings.idle
        return min(peer.settings.keepalive, idle) if peer.settings.keepalive else idle

"""Who is a peer of this node, and what changes for sessions when one comes, changes or goes."""

from __future__ import annotations

from appliance.api.values import Endpoint
from appliance.protocol.connecting import Connecting
from appliance.protocol.events import CloseReason, Unreached
from appliance.protocol.keeping import Keeping
from appliance.protocol.peer import Peer
from appliance.protocol.session import SessionState
from appliance.protocol.settings import PeerSettings
from appliance.protocol.shared import Shared
from appliance.protocol.timers import Deadline


class Membership:
    """The peers of one node."""

    def __init__(self, shared: Shared, connecting: Connecting, keeping: Keeping) -> None:
        self._shared = shared
        self._connecting = connecting
        self._keeping = keeping

    def add(self, settings: PeerSettings, now: float) -> None:
        """Let this peer have a session from now on, and call it if it can be called."""
        self.connect_if_alone(self._shared.add_peer(settings), now)

    def change(self, settings: PeerSettings, now: float) -> None:
        """The peer of that name is like this from now on. With another identity it is another peer. Unknown is no error."""
        known = self._shared.peers.get(settings.name)
        if known is None or settings == known.settings:
            return
        if settings.identity != known.settings.identity:
            self.drop(settings.name, now)
            self.add(settings, now)
            return
        before = known.endpoints
        known.configure(settings)
        self._turn_to_new(known, before, now)
        self.try_beside(known, now)
        self.connect_if_alone(known, now)
        self._keeping.agree_anew(known, now)

    def drop(self, name: str, now: float) -> None:
        """A peer that is a stranger from now on: its sessions end. Unknown is no error."""
        peer = self._shared.peers.get(name)
        if peer is not None:
            self._drop(peer, now, CloseReason.REMOVED)

    def block(self, identity: str, now: float) -> None:
        """Nobody with that fingerprint has a session from now on: those that there are end."""
        self._shared.blocked.add(identity)
        peer = self._shared.peers_by_identity.get(identity)
        if peer is not None and peer.proved:
            self._end_sessions(peer, now, CloseReason.BLOCKED)

    def unblock(self, identity: str, now: float) -> None:
        """It may have one again, and is called if it is a peer that can be."""
        self._shared.blocked.discard(identity)
        peer = self._shared.peers_by_identity.get(identity)
        if peer is not None and peer.proved:
            self.connect_if_alone(peer, now)

    def renew_disallowed(self, now: float) -> None:
        """The policy changed: replace the sessions it no longer allows."""
        policy = self._shared.policy
        for session in list(self._shared.sessions.values()):
            allowed = session.suite.wire_id in policy.suites and any(kex.post_quantum == session.pq for kex in policy.pq.kex)
            if not allowed and session.state is SessionState.ACTIVE:
                self._keeping.disallow(session, now)

    def leave(self, now: float) -> None:
        """Say goodbye to everyone; there are no peers afterwards."""
        for peer in list(self._shared.peers.values()):
            self._drop(peer, now, CloseReason.SHUTDOWN)

    def alone(self, peer: Peer) -> bool:
        """May `peer` be called? Yes if it has no session, or one that may not work or is to be replaced; not if it is blocked."""
        if peer.settings.identity in self._shared.blocked:
            return False
        session = self._shared.sessions.get(peer.session) if peer.session is not None else None
        return session is None or session.suspect or session.due or session.elsewhere

    def try_beside(self, peer: Peer, now: float) -> None:
        """The profile's endpoints of `peer` were edited: try the new ones now, beside a session that works over an old one. When
        one answers, it replaces that session. When none does, `last_error` says so and the session goes on."""
        session = self._shared.sessions.get(peer.session) if peer.session is not None else None
        if not peer.edited or not peer.endpoints:
            return
        peer.edited = False
        if session is not None and session.state is SessionState.ACTIVE and session.endpoint not in peer.endpoints:
            self._connecting.cancel(peer, now)
            peer.at = peer.failures = 0
            peer.outage_since = None
            session.elsewhere = True
            self._connecting.connect(peer, now)

    def _turn_to_new(self, peer: Peer, before: tuple[Endpoint, ...], now: float) -> None:
        """What is new and most wanted does not wait for the end of an attempt elsewhere, unless that was answered."""
        new = bool(peer.endpoints) and peer.endpoints[0] not in before
        if new and peer.session is None and peer.busy and peer.initiation not in self._shared.sessions:
            self._connecting.cancel(peer, now)

    def connect_if_alone(self, peer: Peer, now: float) -> None:
        """Call `peer` if it should have a session and has none that is sure to last."""
        session = self._shared.sessions.get(peer.session) if peer.session is not None else None
        if session is not None and session.elsewhere and peer.failures >= len(peer.endpoints):
            session.elsewhere = False
        if self.alone(peer) and (peer.settings.keepalive or now < peer.wanted_until):
            self._connecting.connect(peer, now)

    def wanted_in_vain(self, peer: Peer, now: float) -> None:
        """The timer of traffic that waits: without a session it is given up, and what comes next is wanted anew."""
        if peer.session is None and now >= peer.wanted_until:
            self._shared.events.append(Unreached(peer.name))

    def _drop(self, peer: Peer, now: float, reason: CloseReason) -> None:
        self._end_sessions(peer, now, reason)
        self._shared.timers.cancel((Deadline.WANTED, peer.name))
        self._shared.drop_peer(peer)

    def _end_sessions(self, peer: Peer, now: float, reason: CloseReason) -> None:
        self._connecting.cancel(peer, now)
        for session in self._shared.sessions_of(peer.name):
            self._keeping.say_goodbye(session, reason)
        self._shared.timers.cancel((Deadline.CONNECT, peer.name))

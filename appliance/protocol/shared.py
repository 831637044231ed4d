"""What the parts of one node share: settings, tables, timers and what waits to go out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from appliance.api.crypto import CryptoSuite
from appliance.api.transport import SocketAddress
from appliance.errors import LocalFault, PeerFault
from appliance.protocol.counted import closed
from appliance.protocol.events import CloseReason, Event, LinkId, LinkUnused, Refused, SessionClosed, Transmit
from appliance.protocol.exchange import KeyAgreement
from appliance.protocol.handshake import Entropy, Policy, Pq
from appliance.protocol.identity import Identity
from appliance.protocol.links import Link
from appliance.protocol.peer import Peer
from appliance.protocol.session import Session, SessionState
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.protocol.timers import Deadline, Timers
from appliance.wire.envelope import MAX_SESSION_INDEX
from appliance.wire.faults import TOLD

TimerKey = tuple[Deadline, int | str]
"""What is due, and for which session index, request, link or peer."""
OF_A_SESSION = (Deadline.ALIVE, Deadline.ROTATE, Deadline.LINGER, Deadline.COMPRESSION)
"""What is cancelled when a session ends."""

MAX_WORK = 1024
"""Hellos that wait for their key exchange (4 KB each): three seconds of work, while an initiator tries for five."""

Work = Callable[[float], None]
"""A handshake's costly step (key exchange, signatures), to be called with the time. Raises PeerFault."""


class Shared:
    """What the parts of one node share. It does nothing but keep its tables consistent."""

    def __init__(
        self,
        settings: NodeSettings,
        identity: Identity,
        suites: Sequence[CryptoSuite],
        entropy: Entropy,
        agreement: KeyAgreement,
    ) -> None:
        self.identity = identity
        self.entropy = entropy
        self.agreement = agreement
        self.suites_by_name: dict[str, CryptoSuite] = {}
        self.suites: dict[int, CryptoSuite] = {}
        self.learn(suites)
        self.timers: Timers[TimerKey] = Timers()
        self.transmits: deque[Transmit] = deque()
        self.events: deque[Event] = deque()
        self.counters: Counter[str] = Counter()
        self.links: dict[LinkId, Link] = {}
        self.sessions: dict[int, Session] = {}
        self.unproved: set[int] = set()
        """Our indexes of those with strangers."""
        self._sessions_of: dict[str, dict[int, Session]] = {}
        """The sessions of each peer that has any."""
        self.peers: dict[str, Peer] = {}
        self.peers_by_identity: dict[str, Peer] = {}
        self.blocked: set[str] = set()
        """Fingerprints of those who have no session, peer or not, until somebody says otherwise."""
        self.indexes: set[int] = set()
        self.gone: Callable[[str], None] = lambda _peer: None
        """Called when the session that carried a peer's traffic ended and no other took over."""
        self.blamed: Callable[[str, str], None] = lambda _peer, _reason: None
        """Told of each fault in what came through a peer's session, which nobody else can have sent. Must not raise, nor call the
        node."""
        self._tokens = 0
        self.deferring = False
        self.begun: deque[tuple[Work, str | None]] = deque()
        """The second steps of handshakes, each with the peer's name where it is known. They go first, because work was put into
        them already."""
        self.fresh: deque[tuple[Work, str | None]] = deque()
        """The first steps: hellos of strangers."""
        self.configure(settings)

    def learn(self, suites: Sequence[CryptoSuite]) -> None:
        """These are registered too."""
        self.suites_by_name |= {suite.name: suite for suite in suites}
        self.suites |= {suite.wire_id: suite for suite in suites}

    def configure(self, settings: NodeSettings) -> None:
        """Take settings."""
        missing = [name for name in settings.suites if name not in self.suites_by_name]
        if missing or not settings.suites:
            raise LocalFault(f"no such suite: {', '.join(missing) or '(none named)'}")
        self.settings = settings
        self.policy = Policy(Pq(settings.pq), tuple(self.suites_by_name[name].wire_id for name in settings.suites))

    def add_peer(self, settings: PeerSettings) -> Peer:
        """Let this peer have a session from now on."""
        peer = self.peers[settings.name] = self.peers_by_identity[settings.identity] = Peer(settings)
        return peer

    def drop_peer(self, peer: Peer) -> None:
        """Treat this peer as a stranger from now on."""
        del self.peers[peer.name]
        if self.peers_by_identity.get(peer.settings.identity) is peer:
            del self.peers_by_identity[peer.settings.identity]

    def new_index(self) -> int:
        """A session index of ours that is not used; random, and never 0."""
        while True:
            index = int.from_bytes(self.entropy(3), "big") & MAX_SESSION_INDEX
            if index and index not in self.indexes:
                self.indexes.add(index)
                return index

    def new_token(self) -> int:
        """A token for a KeepAlive, never 0 and never used before."""
        self._tokens += 1
        return self._tokens

    def random_token(self) -> int:
        """A token for a KeepAlive that proves a path: who has not received it there cannot tell it. Never 0."""
        return int.from_bytes(self.entropy(8), "big") >> 1 or 1

    @property
    def full(self) -> bool:
        """Are there as many sessions as there may be? (Renewals of a session are not refused, and strangers take no place.)"""
        return len(self.sessions) - len(self.unproved) >= self.settings.max_sessions

    def chance(self) -> float:
        """A random number in [0, 1)."""
        return int.from_bytes(self.entropy(2), "big") / 65536

    def send(self, link: LinkId, to: SocketAddress | None, packets: Sequence[bytes]) -> None:
        """Queue packets, unless the link is gone."""
        if link in self.links:
            self.transmits.extend(Transmit(link, to, packet) for packet in packets)

    def unsend(self, packets: Sequence[bytes]) -> None:
        """Do not send those of these packets that still wait."""
        self.transmits = deque(each for each in self.transmits if each.packet not in packets)

    def use(self, link: LinkId, index: int) -> None:
        """`index` goes over `link` from now on."""
        if link in self.links:
            self.links[link].users.add(index)
            self.timers.cancel((Deadline.LINK, link))

    def unuse(self, link: LinkId, index: int) -> None:
        """`index` no longer needs `link`: close the link if nobody else does."""
        found = self.links.get(link)
        if found is None:
            return
        found.users.discard(index)
        self.drop_unused(found)

    def drop_unused(self, link: Link) -> None:
        """Close `link`, unless somebody uses it or strangers come in through it."""
        if not link.users and not link.listener and link.number in self.links:
            del self.links[link.number]
            self.timers.cancel((Deadline.LINK, link.number))
            self.timers.cancel((Deadline.PATH, link.number))
            self.events.append(LinkUnused(link.number))

    def sessions_of(self, peer: str) -> list[Session]:
        """All sessions with a peer, oldest first; usually one."""
        return list(self._sessions_of.get(peer, {}).values())

    def open(self, session: Session) -> None:
        """A session exists from now on."""
        if not self.settings.probation:
            session.wipe()
        if not session.proved:
            self.unproved.add(session.index)
        self.sessions[session.index] = session
        self._sessions_of.setdefault(session.peer, {})[session.index] = session

    def close(self, session: Session, reason: CloseReason) -> None:
        """End `session` at once and forget it."""
        session.move(SessionState.CLOSED)
        session.wipe()
        del self.sessions[session.index]
        self.unproved.discard(session.index)
        others = self._sessions_of[session.peer]
        del others[session.index]
        if not others:
            del self._sessions_of[session.peer]
        self.indexes.discard(session.index)
        for kind in OF_A_SESSION:
            self.timers.cancel((kind, session.index))
        peer = self.peers.get(session.peer)
        if peer is not None and peer.session == session.index:
            peer.session = None
            self.gone(session.peer)
            if not peer.proved:
                self.timers.set((Deadline.PROBATION, session.peer), 0.0)
        self.counters[closed(reason)] += 1
        self.events.append(SessionClosed(session.index, session.peer, reason))
        self.unuse(session.link, session.index)
        if session.ways is not None and session.ways.reserve is not None:
            self.unuse(session.ways.reserve[0], session.index)

    def defer(self, work: Work, now: float, peer: str | None = None, *, fresh: bool = False) -> None:
        """Do `work` when its turn comes; at once in a node that is not `deferring`. `peer` is whose handshake it is, if that is
        known. `fresh`: nothing was done for this handshake yet."""
        if not self.deferring:
            work(now)
        else:
            (self.fresh if fresh else self.begun).append((work, peer))

    def work(self, now: float) -> bool:
        """Do the piece of deferred work whose turn it is. False if none waits."""
        waiting = self.begun or self.fresh
        if not waiting:
            return False
        work, peer = waiting.popleft()
        try:
            work(now)
        except PeerFault as fault:
            self.judge(fault.message, peer)
        return True

    def judge(self, reason: str, peer: str | None = None) -> None:
        """Count what a peer did wrong, and tell the admin if he can do something about it."""
        self.counters[reason] += 1
        if reason in TOLD:
            self.events.append(Refused(peer, reason))

"""Strangers on probation: sessions with identities that this node does not know, for the few seconds in which they may prove that
they are members.

    a stranger calls ─▶ handshake finished ─▶ room? ─▶ session, not proved ─▶ member, or over after 5 s
    we call a stranger ─▶ reached in time? ──────────┘

A stranger is a peer for that time, named by its fingerprint (no name of a profile can be one), without prefixes. It may say what
families allow before membership, and keepalives. All of that is off unless `NodeSettings.probation` gives it room.

**Who has to make room.** A flood costs its sender a whole handshake for each stranger, at most `handshakes_per_second` are worked
off, and a quarter of those from one prefix. The one who came first makes room for who comes last. So nobody has to go before
`probation / handshakes_per_second` seconds, whoever floods, and nobody is turned away meanwhile: whoever proves himself in that
time becomes a member. Strangers whom this node has called are counted on their own; nobody else can push them out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.errors import PeerFault
from appliance.protocol.admission import PREFIX_SHARE, prefix_of
from appliance.protocol.connecting import Connecting
from appliance.protocol.counted import Count
from appliance.protocol.events import CloseReason, StrangerCame, StrangerGone
from appliance.protocol.keeping import Keeping
from appliance.protocol.peer import Peer
from appliance.protocol.session import PROBATION_SECONDS, SessionState
from appliance.protocol.settings import PeerSettings
from appliance.protocol.shared import Shared
from appliance.protocol.timers import Deadline
from appliance.wire.faults import Fault

SESSIONS_OF_A_STRANGER: Final = 2
"""Both sides may have called at the same time."""


class _Stranger(NamedTuple):
    prefix: str
    """The /24 or /56 that it called from; empty for one that we called."""


class Probation:
    """The strangers of one node, by fingerprint, oldest first."""

    def __init__(self, shared: Shared, connecting: Connecting, keeping: Keeping) -> None:
        self._shared = shared
        self._connecting = connecting
        self._keeping = keeping
        self._came: dict[str, _Stranger] = {}
        self._called: set[str] = set()
        self.closed = False
        """Nobody is let in that is not called from here."""

    def __len__(self) -> int:
        return len(self._came) + len(self._called)

    @property
    def names(self) -> Sequence[str]:
        """Their names, which are their fingerprints."""
        return (*self._came, *self._called)

    def admit(self, fingerprint: str, source: SocketAddress | None, now: float) -> bool:
        """A stranger has finished a handshake: may it have a session? Raises PeerFault when it has too many already, or nobody is
        let in now."""
        most = self._shared.settings.probation
        if not most or fingerprint == self._shared.identity.fingerprint:
            return False
        if self.closed:
            raise PeerFault(Fault.HOST_SHORT)
        if fingerprint in self._came or fingerprint in self._called:
            if len(self._shared.sessions_of(fingerprint)) >= SESSIONS_OF_A_STRANGER:
                raise PeerFault(Fault.PROBATION_AGAIN)
            return True
        prefix = prefix_of(source[0]) if source is not None else ""
        self._make_room(most, prefix, now)
        self._came[fingerprint] = _Stranger(prefix)
        self._begin(PeerSettings(fingerprint, fingerprint, keepalive=0.0), now + PROBATION_SECONDS)
        return True

    def call(self, fingerprint: str, endpoints: Sequence[Endpoint], within: float, now: float) -> bool:
        """Call who has that fingerprint, whom this node does not know. A StrangerGone follows, within `within` seconds and
        PROBATION_SECONDS. False: it is known, or there are too many calls already."""
        shared = self._shared
        if fingerprint in shared.peers_by_identity or fingerprint == shared.identity.fingerprint or not endpoints:
            return False
        if fingerprint in shared.blocked:
            return False
        if len(self._called) >= shared.settings.probation:
            shared.counters[Count.PROBATION_CALLS] += 1
            return False
        self._called.add(fingerprint)
        peer = self._begin(PeerSettings(fingerprint, fingerprint, tuple(endpoints), keepalive=0.0), now + within)
        peer.wanted_until = now + within
        self._connecting.connect(peer, now)
        return True

    def time_is_up(self, peer: Peer, now: float) -> None:
        """The timer of a stranger: its time is over, or its last session."""
        if self._shared.sessions_of(peer.name) and self._shared.peers_by_identity.get(peer.name) is peer:
            self._shared.counters[Count.PROBATION_OVER] += 1
        self.end(peer, now)

    def promote(self, fingerprint: str, now: float) -> None:
        """A stranger is a peer of this node now, under another name, and knows that: make an ordinary session over the path that
        is there. The stranger ends with that, or when its time is over."""
        stranger, peer = self._shared.peers.get(fingerprint), self._shared.peers_by_identity.get(fingerprint)
        if stranger is None or peer is None or peer is stranger or peer.busy or peer.session is not None:
            return
        session = self._shared.sessions.get(stranger.session) if stranger.session is not None else None
        if session is not None and session.state is SessionState.ACTIVE and session.link in self._shared.links:
            self._connecting.begin(peer, session.link, session.to, now)

    def end(self, peer: Peer, now: float) -> None:
        """Treat it as somebody unknown from now on."""
        shared, name = self._shared, peer.name
        self._came.pop(name, None)
        self._called.discard(name)
        self._connecting.cancel(peer, now)
        for session in shared.sessions_of(name):
            self._keeping.say_goodbye(session, CloseReason.PROBATION)
        shared.timers.cancel((Deadline.PROBATION, name))
        shared.timers.cancel((Deadline.CONNECT, name))
        shared.drop_peer(peer)
        shared.events.append(StrangerGone(name, peer.last_error))

    def _begin(self, settings: PeerSettings, until: float) -> Peer:
        peer = self._shared.add_peer(settings)
        peer.proved = False
        self._shared.timers.set((Deadline.PROBATION, peer.name), until)
        self._shared.counters[Count.PROBATION] += 1
        self._shared.events.append(StrangerCame(peer.name))
        return peer

    def _make_room(self, most: int, prefix: str, now: float) -> None:
        of_prefix = [name for name, stranger in self._came.items() if stranger.prefix == prefix]
        if len(of_prefix) >= max(1, most // PREFIX_SHARE):
            self._evict(of_prefix[0], now)
        elif len(self._came) >= most:
            self._evict(next(iter(self._came)), now)

    def _evict(self, name: str, now: float) -> None:
        self._shared.counters[Count.PROBATION_EVICTED] += 1
        self.end(self._shared.peers[name], now)


Admit = Callable[[str, SocketAddress | None, float], bool]
"""`Probation.admit`."""

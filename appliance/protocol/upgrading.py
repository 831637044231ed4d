"""Better paths for sessions that there are: tokens are sent to other addresses of the peer's, and the session moves to where they
come back from.

    probe ─▶ KeepAlive, by the other path ─▶ peer: asked ─▶ Ack, by the same path ─▶ answered ─▶ PathProved ─▶ take

Whoever takes a path keeps the one before in reserve, if that is of another kind, and goes back to it when the better one dies.
The other side follows, as it follows any session that moves (`roaming`).
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.protocol.admission import TokenBucket
from appliance.protocol.counted import Count
from appliance.protocol.events import Challenge, PathAsked, PathProved
from appliance.protocol.links import Link
from appliance.protocol.roaming import PROOF_SECONDS, Roaming
from appliance.protocol.session import Session, SessionState
from appliance.protocol.shared import Shared
from appliance.protocol.ways import Tried, Way, Ways
from appliance.wire import liveness
from appliance.wire.envelope import PacketType
from appliance.wire.liveness import PATH_PROBE, Ack

HELD_SECONDS = 3.0
"""How long records that were under way may come by the path that was left: longer than a round trip by any relay."""
ASKS_PER_SECOND = 250.0
"""Probes of one peer that are answered in a second: a little more than the most that are sent (`members.far_ports`)."""
FALL_BACK_PROBES = 2
"""KeepAlives without an answer after which a session goes back to its reserve, if that answers."""


class Upgrading:
    """The better paths of a node's sessions. `ask(session, now)` sends a KeepAlive by the session's own path."""

    def __init__(self, shared: Shared, roaming: Roaming, ask: Callable[[Session, float], None]) -> None:
        self._shared = shared
        self._roaming = roaming
        self._ask = ask

    def probe(self, session: Session, link: Link, to: SocketAddress | None, now: float) -> int:
        """Send a token by another path. Returns it."""
        endpoint = link.endpoint(to)
        if session.state is not SessionState.ACTIVE or endpoint is None:
            return 0
        if session.ways is None:
            session.ways = Ways()
        token = PATH_PROBE | self._shared.random_token()
        session.ways.note_tried(token, Tried((link.number, to), endpoint, now))
        self._shared.counters[Count.PATH_TRIED] += 1
        self._shared.events.append(Challenge(session.index, link.number, to, liveness.encode_keep_alive(token)))
        return token

    def asked(self, session: Session, link: Link, source: SocketAddress | None, token: int, now: float) -> None:
        """The peer tries this path: answer by it. The answer is about as long as the question, wherever it goes."""
        if session.ways is None:
            session.ways = Ways()
        asks = session.ways.asks
        if asks is None:
            asks = session.ways.asks = TokenBucket(ASKS_PER_SECOND, 2 * ASKS_PER_SECOND, now)
        if not asks.take(now):
            self._shared.counters[Count.PATH_ASKED_TOO_OFTEN] += 1
            return
        body = liveness.encode_ack(Ack(token, session.received))
        self._shared.counters[Count.PATH_ASKED] += 1
        self._shared.events.append(Challenge(session.index, link.number, source, body, PacketType.ACK))
        self._shared.events.append(PathAsked(session.peer, session.index, link.number, source, token))

    def answered(self, session: Session, link: Link, source: SocketAddress | None, token: int, now: float) -> None:
        """A token came back by this path."""
        tried = session.ways.tried.pop(token, None) if session.ways is not None else None
        endpoint = link.endpoint(source)
        if session.ways is None or tried is None or endpoint is None or endpoint != tried.endpoint:
            self._shared.counters[Count.PATH_ASTRAY] += 1
            return
        rtt = now - tried.sent
        session.ways.note_proved(endpoint, Way((link.number, source), rtt, now))
        self._shared.counters[Count.PATH_PROVED] += 1
        self._shared.events.append(PathProved(session.peer, session.index, endpoint, rtt))

    def take(self, session: Session, endpoint: Endpoint, now: float) -> bool:
        """Move the session to a path that was proved a moment ago. False if none such leads to `endpoint`."""
        if session.ways is None or session.state is not SessionState.ACTIVE or session.endpoint == endpoint:
            return False
        if not self._move(session, session.ways, endpoint, now):
            return False
        session.ways.held_until = now + HELD_SECONDS
        self._shared.counters[Count.UPGRADED] += 1
        return True

    def try_reserve(self, session: Session, now: float) -> None:
        """The session's path does not answer: does its reserve?"""
        if session.ways is None or session.ways.reserve is None:
            return
        number, to = session.ways.reserve
        link = self._shared.links.get(number)
        if link is not None:
            self.probe(session, link, to, now)

    def fall_back(self, session: Session, now: float) -> bool:
        """Go back to the reserve, if that has just answered and the session's own path has not."""
        ways = session.ways
        if ways is None or ways.reserve is None or session.probes < FALL_BACK_PROBES:
            return False
        link = self._shared.links.get(ways.reserve[0])
        endpoint = link.endpoint(ways.reserve[1]) if link is not None else None
        if endpoint is None or not self._move(session, ways, endpoint, now):
            return False
        ways.proved.clear()
        self._shared.counters[Count.FELL_BACK] += 1
        return True

    def lost(self, session: Session, link: Link) -> None:
        """The link of the session's reserve closed."""
        if session.ways is not None and session.ways.reserve is not None and session.ways.reserve[0] == link.number:
            session.ways.reserve = None

    def inherit(self, old: Session, new: Session) -> None:
        """`new` replaces `old`: over the same path it has the same reserve."""
        if old.ways is None or old.endpoint != new.endpoint:
            return
        new.ways = Ways(proved=old.ways.proved, reserve=old.ways.reserve, chosen=old.ways.chosen)
        if old.ways.reserve is not None:
            self._shared.use(old.ways.reserve[0], new.index)
            self._shared.unuse(old.ways.reserve[0], old.index)
            old.ways.reserve = None

    def _move(self, session: Session, ways: Ways, endpoint: Endpoint, now: float) -> bool:
        way = ways.proved.get(endpoint)
        link = self._shared.links.get(way.path[0]) if way is not None else None
        if way is None or link is None or now - way.proved > PROOF_SECONDS:
            return False
        session.probes = 0
        session.suspect = False
        ways.tried.clear()
        self._roaming.go(session, link, way.path[1], now)
        self._ask(session, now)  # by the new path, so that the peer follows
        return True

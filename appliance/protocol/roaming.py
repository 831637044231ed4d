"""Sessions that move: a peer comes from another address, and what goes to it follows, but not to where anybody likes."""

from __future__ import annotations

from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.protocol.counted import Count
from appliance.protocol.events import Challenge, Path, PathChanged
from appliance.protocol.links import Link
from appliance.protocol.pathmtu import BASE_BYTES
from appliance.protocol.probing import Probing
from appliance.protocol.session import Session, SessionState
from appliance.protocol.shared import Shared
from appliance.protocol.ways import Ways
from appliance.wire import liveness

PROOF_SECONDS = 30.0
"""How long a path counts as proved after a token has come back by it."""
MAX_CHALLENGED = 4
"""Paths of one session that wait to be proved. One may be its own new path; somebody else may have made up the others."""


class Roaming:
    """The paths of a node's sessions."""

    def __init__(self, shared: Shared, probing: Probing) -> None:
        self._shared = shared
        self._probing = probing

    def moved(self, session: Session, link: Link, source: SocketAddress | None, now: float) -> None:
        """The newest authentic record came by another path: answer there, once a token that was sent there has come back.

        Whoever sees a record can send it on from any address, before it arrives or instead of it. If we answered there at once,
        he could aim our traffic at anybody (RFC 9000, section 9.3). So we send one short record there for each record that comes
        from there, and everything else where it went before. A stream needs no token, nor does another socket to the same
        address, nor a path that was proved a moment ago.
        """
        path, ways = (link.number, source), session.ways
        if session.state is not SessionState.ACTIVE or (session.link, session.to) == path:
            return
        if ways is not None and path == ways.reserve and now < ways.held_until:
            return
        endpoint = link.endpoint(source)
        known = ways is not None and endpoint in ways.proved and now - ways.proved[endpoint].proved < PROOF_SECONDS
        if link.datagram and endpoint != session.endpoint and not known:
            self._challenge(session, (link.number, source))
        else:
            self.go(session, link, source, now)

    def _challenge(self, session: Session, path: Path) -> None:
        token = session.challenged.pop(path, None) or self._shared.random_token()
        session.challenged[path] = token
        if len(session.challenged) > MAX_CHALLENGED:
            del session.challenged[next(iter(session.challenged))]
        self._shared.counters[Count.PATH_CHALLENGED] += 1
        self._shared.events.append(Challenge(session.index, *path, liveness.encode_keep_alive(token)))

    def take_ack(self, session: Session, token: int, now: float) -> bool:
        """An Ack came: was its token sent to another path? Then somebody with the session's keys is there: answer there from now
        on. False if it was not."""
        path = next((path for path, sent in session.challenged.items() if sent == token), None)
        if path is None:
            return False
        link = self._shared.links.get(path[0])
        if link is not None and session.state is SessionState.ACTIVE:
            self.go(session, link, path[1], now)
        return True

    def go(self, session: Session, link: Link, source: SocketAddress | None, now: float) -> None:
        """Send what goes out for `session` by another path from now on."""
        session.challenged.clear()
        before, endpoint = (session.link, session.to), session.endpoint
        session.link, session.to, session.endpoint = link.number, source, link.endpoint(source)
        same = session.endpoint == endpoint
        if not same and link.datagram:  # its handshake says nothing about the datagrams that this path takes
            session.datagram = min(session.datagram or BASE_BYTES, BASE_BYTES)
        self._shared.use(link.number, session.index)
        self._probing.begin(session, now, proven=same)
        self._shared.counters[Count.MOVED] += 1
        self._shared.events.append(PathChanged(session.index, link.number, source))
        if before[0] != link.number and not (
            session.ways is not None and self._reserves(session, session.ways, before, endpoint)
        ):
            self._shared.unuse(before[0], session.index)

    def _reserves(self, session: Session, ways: Ways, before: Path, endpoint: Endpoint | None) -> bool:
        """The session left `before`, the path to `endpoint`: is that one to go back to? Yes if it is of another kind (a stream, a
        relay) and there is none such yet. One that was gone back to is none any more."""
        if ways.reserve is not None and ways.reserve[0] == session.link:
            ways.reserve, ways.chosen = None, False
            return False
        other_kind = endpoint is not None and session.endpoint is not None and endpoint.scheme != session.endpoint.scheme
        if other_kind and ways.reserve is None:
            ways.reserve, ways.chosen = before, True
            return True
        return False

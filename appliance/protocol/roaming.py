"""Sessions that move: a peer comes from another address, and what goes to it follows, but not to where anybody likes."""

from __future__ import annotations

from appliance.api.transport import SocketAddress
from appliance.protocol.counted import Count
from appliance.protocol.events import Challenge, Path, PathChanged
from appliance.protocol.links import Link
from appliance.protocol.probing import Probing
from appliance.protocol.session import Session, SessionState
from appliance.protocol.shared import Shared
from appliance.wire import liveness

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
        address.
        """
        if session.state is not SessionState.ACTIVE or (session.link, session.to) == (link.number, source):
            return
        if link.datagram and link.endpoint(source) != session.endpoint:
            self._challenge(session, (link.number, source))
        else:
            self._go(session, link, source, now)

    def _challenge(self, session: Session, path: Path) -> None:
        token = session.challenged.pop(path, None) or self._shared.new_token()
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
            self._go(session, link, path[1], now)
        return True

    def _go(self, session: Session, link: Link, source: SocketAddress | None, now: float) -> None:
        """Send what goes out for `session` by another path from now on."""
        session.challenged.clear()
        before, endpoint = session.link, session.endpoint
        session.link, session.to, session.endpoint = link.number, source, link.endpoint(source)
        self._shared.use(link.number, session.index)
        self._probing.begin(session, now, proven=session.endpoint == endpoint)
        self._shared.counters[Count.MOVED] += 1
        self._shared.events.append(PathChanged(session.index, link.number, source))
        if before != link.number:
            self._shared.unuse(before, session.index)

"""Path MTU discovery of a node's links. Each link's `PathMtu` probes through a session that goes over the link, and the driver is
told what it finds.

A connected datagram link is one path. A listener's shared socket is many: nothing is probed there, and its datagrams are as small
as the smallest in which a peer got its handshake through.
"""

from __future__ import annotations

from appliance.protocol.counted import Count
from appliance.protocol.events import LinkId, Protect, SendMessage, SendProbe, Shape
from appliance.protocol.links import Link
from appliance.protocol.pathmtu import BASE_BYTES, PathMtu
from appliance.protocol.session import Session, SessionState
from appliance.protocol.shared import Shared
from appliance.protocol.timers import Deadline
from appliance.wire import liveness
from appliance.wire.envelope import PacketType


class Probing:
    """All paths of a node."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def begin(self, session: Session, now: float, *, proven: bool = True) -> None:
        """`session` goes over its link from now on. `proven` is false if its handshake went by another path."""
        link = self._shared.links.get(session.link)
        if link is None or not link.adapts:
            return
        if link.listener:
            self._share(link, session)
            return
        if link.path is None:
            base = session.datagram if proven else min(session.datagram, BASE_BYTES)
            link.path = PathMtu(base, link.datagram_bytes, self._shared.new_token, now, proven=proven, rtt=session.rtt)
        elif proven:
            link.path.handle_black_hole(session.datagram, now)
        link.carrier = session.index
        self._settle(link, link.path)

    def take_ack(self, session: Session, token: int, now: float) -> bool:
        """An Ack came. False if it answers no probe."""
        found = self._path(session.link)
        if found is None or not found[1].handle_ack(token, now):
            return False
        self._settle(*found)
        return True

    def heard(self, session: Session, now: float) -> None:
        """Something authentic came for `session`."""
        found = self._path(session.link)
        if found is not None:
            found[1].handle_heard(now)

    def suspect(self, session: Session, now: float) -> None:
        """Records of `session` seem to go nowhere."""
        found = self._path(session.link)
        if found is not None:
            found[1].handle_suspicion(now)
            self._settle(*found)

    def limited(self, number: LinkId, limit: int, now: float) -> None:
        """The kernel takes at most `limit` bytes for this link, and the driver keeps to that already."""
        link = self._shared.links.get(number)
        if link is None or not link.adapts:
            return
        self._shared.counters[Count.PATH_LIMITED] += 1
        link.shaped = limit
        if link.path is not None:
            link.path.handle_limit(limit, now)
            self._settle(link, link.path)

    def due(self, number: LinkId, now: float) -> None:
        """The timer of a path."""
        found = self._path(number)
        if found is not None:
            found[1].handle_timeout(now)
            self._settle(*found)

    def drivers_lost(self) -> None:
        """The drivers were made anew: they begin with the first size, and must be told of parity again."""
        for link in self._shared.links.values():
            link.shaped = 0
            if link.protection.span:
                self._shared.events.append(Protect(link.number, link.protection.span))

    def _path(self, number: LinkId) -> tuple[Link, PathMtu] | None:
        link = self._shared.links.get(number)
        return None if link is None or link.path is None else (link, link.path)

    def _share(self, link: Link, session: Session) -> None:
        size = min(BASE_BYTES, link.datagram_bytes, session.datagram, link.shaped or BASE_BYTES)
        if size != link.shaped:
            link.shaped = size
            self._shared.events.append(Shape(link.number, size))

    def _settle(self, link: Link, path: PathMtu) -> None:
        """Send the probes, tell the driver of another size, and set the timer."""
        shared = self._shared
        if path.size != link.shaped:
            self._shape(link, path)
        carrier = self._carrier(link)
        while (probe := path.poll_probe()) is not None:
            if carrier is None:
                continue
            body = liveness.encode_keep_alive(probe.token)
            if probe.datagram:
                shared.counters[Count.PATH_PROBED] += 1
                shared.events.append(SendProbe(carrier.index, probe.datagram, body))
            else:
                shared.events.append(SendMessage(carrier.index, PacketType.KEEP_ALIVE, 0, body))
        when = path.poll_timeout()
        if when is None or carrier is None:
            shared.timers.cancel((Deadline.PATH, link.number))
        else:
            shared.timers.set((Deadline.PATH, link.number), when)

    def _shape(self, link: Link, path: PathMtu) -> None:
        shared = self._shared
        if link.shaped:
            shared.counters[Count.PATH_RAISED if path.size > link.shaped else Count.PATH_LOWERED] += 1
        link.shaped = path.size
        shared.events.append(Shape(link.number, path.size))
        carrier = self._carrier(link)
        if carrier is not None and carrier.endpoint is not None:
            shared.peers[carrier.peer].remember(carrier.endpoint, path.size)

    def _carrier(self, link: Link) -> Session | None:
        """The session whose keys seal this link's probes: the newest that goes over it."""
        session = self._shared.sessions.get(link.carrier)
        if session is not None and session.state is SessionState.ACTIVE and session.link == link.number:
            return session
        for index in link.users:
            other = self._shared.sessions.get(index)
            if other is not None and other.state is SessionState.ACTIVE and other.link == link.number:
                link.carrier = index
                return other
        return None

"""The sessions that workers hold for a node: keys when one is ready, where its packets go, and who is told about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from appliance.api import events as api_events
from appliance.api.transport import SocketAddress
from appliance.api.zones import shown
from appliance.errors import HostError
from appliance.foundation import clock
from appliance.foundation.logging import get_logger, once_per
from appliance.protocol import events
from appliance.protocol.counted import Count
from appliance.protocol.events import Path
from appliance.protocol.node import Node
from appliance.protocol.session import Session
from appliance.runtime.links.table import Links
from appliance.runtime.node.strangers import is_stranger
from appliance.runtime.peers.known_paths import KnownPath
from appliance.runtime.workers.pool import WorkerPool
from appliance.runtime.workers.telling import SessionKeys

log = get_logger("sessions")

REFUSED_EVERY: Final = 10.0
"""Seconds between two log lines about the same refusal."""

Subscriber = Callable[[api_events.SessionOpened | api_events.SessionClosed | api_events.PathChanged], None]
"""Must not raise: `node_view` sees to that for those of plugins."""


class HeldSessions:
    """What workers have of the sessions of `node`. `connected` is called at each change of the connected peers and costs little;
    `remember` hears where a peer is, or that it left; `goes_round` tells of a path whether what goes over it would go into the
    tunnel that it carries.
    """

    def __init__(
        self,
        node: Node,
        links: Links,
        pool: Callable[[], WorkerPool | None],
        rotate_bytes: Callable[[], int],
        *,
        connected: Callable[[], None],
        remember: Callable[[str, KnownPath | None], None],
        goes_round: Callable[[str, int, SocketAddress | None], bool],
    ) -> None:
        self.subscribers: list[Subscriber] = []
        self.moved: Callable[[int, Path], None] = lambda _session, _path: None
        """Told where the packets of a session go, when it begins and when it moves."""
        self.ended: Callable[[int], None] = lambda _session: None
        """Told of each session that is over."""
        self._node = node
        self._links = links
        self._pool = pool
        self._rotate_bytes = rotate_bytes
        self._connected = connected
        self._remember = remember
        self._goes_round = goes_round
        self._paths: dict[int, Path] = {}
        self._told: dict[int, api_events.SessionOpened] = {}

    def path(self, session: int) -> Path | None:
        """Where its packets go."""
        return self._paths.get(session)

    def ready(self, event: events.SessionReady) -> None:
        """The workers get its keys. It is used once the peer has shown that it has them too."""
        pool = self._pool()
        if pool is None:
            return
        if self._goes_round(event.peer, event.link, event.source):
            self._node.counters[Count.LOOP] += 1
            self._node.handle_no_room(event.session, clock.monotonic())
            return
        self._paths[event.session] = (event.link, event.source)
        keys = SessionKeys(
            event.session,
            event.remote_index,
            event.peer,
            event.suite.name,
            event.send_chain,
            event.receive_chain,
            event.compression,
        )
        try:
            pool.add_session(keys, link=event.link, to=event.source, rotate_bytes=self._rotate_bytes(), use=False)
        except HostError as error:
            if times := once_per(REFUSED_EVERY, "no room for sessions"):
                log.error(  # noqa: TRY400  a limit, not a bug
                    "a session cannot be kept", peer=event.peer, reason=error.message, hint=error.hint, times=times
                )
            self._node.handle_no_room(event.session, clock.monotonic())

    def confirmed(self, index: int, peer: str) -> None:
        """The peer has them: packets go over it."""
        path = self._paths.get(index)
        session = self._node.sessions.get(index)
        pool = self._pool()
        if path is None or session is None or pool is None:
            return
        pool.move_session(index, link=path[0], to=path[1], use=True)
        opened = api_events.SessionOpened(peer, str(session.session_id), session.suite.name, session.pq, shown(session.endpoint))
        self._told[index] = opened
        told = log.debug if is_stranger(peer) else log.info
        told("session ready", peer=peer, session=opened.session_id, suite=opened.suite, pq=opened.pq, endpoint=opened.endpoint)
        self._publish(opened)
        self._connected()
        self._remember_path(session)
        self.moved(index, path)

    def closed(self, event: events.SessionClosed, *, remember: bool) -> None:
        """It is over. `remember`: where the peer was is forgotten, unless there is another session."""
        pool = self._pool()
        if pool is not None:
            pool.drop_session(event.session)
        self._paths.pop(event.session, None)
        self.ended(event.session)
        opened = self._told.pop(event.session, None)
        if opened is None:
            return
        told = log.debug if is_stranger(event.peer) or event.reason is events.CloseReason.REPLACED else log.info
        told("session ended", peer=event.peer, session=opened.session_id, reason=str(event.reason))
        self._publish(api_events.SessionClosed(event.peer, opened.session_id, str(event.reason)))
        self._connected()
        peer = self._node.peers.get(event.peer)
        if remember and (peer is None or peer.session is None):
            self._note(event.peer, None)

    def path_changed(self, index: int, link: int, to: SocketAddress | None) -> None:
        """Its packets go elsewhere."""
        path = self._paths[index] = (link, to)
        pool = self._pool()
        if pool is not None:
            pool.move_session(index, link=link, to=to, use=index in self._told)
        session = self._node.sessions.get(index)
        opened = self._told.get(index)
        if session is None or opened is None:
            return
        endpoint = shown(session.endpoint)
        self._remember_path(session)
        if endpoint != opened.endpoint:
            self._told[index] = opened._replace(endpoint=endpoint)
            log.info("session moved", peer=session.peer, session=opened.session_id, endpoint=endpoint)
            self._publish(api_events.PathChanged(session.peer, opened.session_id, endpoint))
        self.moved(index, path)

    def _publish(self, event: api_events.SessionOpened | api_events.SessionClosed | api_events.PathChanged) -> None:
        for subscriber in () if is_stranger(event.peer) else list(self.subscribers):
            subscriber(event)

    def _remember_path(self, session: Session) -> None:
        """Where a peer is, as far as the way goes through a listener's address."""
        link, known = self._links.get(session.link), None
        if link is not None and self._links.listener_over(link.local) is not None and session.endpoint is not None:
            known = KnownPath(link.local, session.endpoint)
        self._note(session.peer, known)

    def _note(self, peer: str, known: KnownPath | None) -> None:
        if not is_stranger(peer):
            self._remember(peer, known)

"""Sockets of their own for peers that came in through a listener, where the transport has such: they are served faster."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from appliance.foundation import clock
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.protocol.events import Path

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress
    from appliance.protocol.node import Node
    from appliance.runtime.links.table import Link, Links
    from appliance.runtime.links.transports import Transports
    from appliance.runtime.peers.known_paths import KnownPath
    from appliance.runtime.workers.pool import WorkerPool

log = get_logger("sessions")


class OwnSockets:
    """Connects to peers from a listener's address. `path_of(session)` is where a session goes now, `settle()` follows what the
    node was told."""

    def __init__(
        self,
        node: Node,
        links: Links,
        transports: Callable[[], Transports],
        pool: Callable[[], WorkerPool | None],
        path_of: Callable[[int], Path | None],
        settle: Callable[[], None],
    ) -> None:
        self._node = node
        self._links = links
        self._transports = transports
        self._pool = pool
        self._path_of = path_of
        self._settle = settle
        self._tasks = Tasks()

    async def close(self) -> None:
        """Give up what is under way."""
        await self._tasks.close()

    def give(self, index: int, path: Path) -> None:
        """A session goes over `path`: give it a socket of its own when that is a listener's."""
        link = self._links.get(path[0])
        if link is not None and link.listener and path[1] is not None:
            self._tasks.spawn(self._connect(index, link, path[1]), f"connect session {index}", _not_connected)

    def readdress(self, addresses: Collection[str]) -> None:
        """This host has these addresses now: sessions that send from another one get another socket, from the listener at the
        same port, and go on."""
        for session in list(self._node.sessions.values()):
            link = self._links.get(session.link)
            if link is None or link.listener or not link.kind.datagram or link.remote is None or not link.remote.host:
                continue
            local = ipaddress.ip_address(link.local.host)
            if local.is_loopback or local.is_link_local or link.local.host in addresses:
                continue
            version, far = local.version, link.remote
            listeners = self._links.listeners(link.kind.name, version)
            listener = next((each for each in listeners if each.local.port == link.local.port), None)
            if listener is not None:
                link.stale = True
                self._node.handle_readdressed(session.index, listener.number, (far.host, far.port), clock.monotonic())
        self._settle()

    def call_again(self, peer: str, listener: Link, path: KnownPath) -> None:
        """Call a peer where it was; from the address it spoke to where the listener has many, since it hears no other."""
        source = (path.remote.host, path.remote.port)
        if path.local == listener.local:
            self._node.handle_known_path(peer, listener.number, source, clock.monotonic())
        else:
            self._tasks.spawn(self._call(peer, listener, source, path.local.host), f"call {peer} again", _not_connected)

    async def _connect(self, index: int, listener: Link, source: SocketAddress) -> None:
        pool = self._pool()
        spoken_to = None if pool is None else pool.local_of(listener.number, source)
        link = await self._transports().connect(listener, source, spoken_to)
        if link is None:
            return
        introduce(self._node, link, None)
        if self._path_of(index) == (listener.number, source):
            self._node.handle_moved(index, link.number, None, clock.monotonic())
        self._settle()

    async def _call(self, peer: str, listener: Link, source: SocketAddress, spoken_to: str) -> None:
        link = await self._transports().connect(listener, source, spoken_to)
        if link is None:
            self._node.handle_known_path(peer, listener.number, source, clock.monotonic())
        else:
            introduce(self._node, link, None)
            self._node.handle_known_path(peer, link.number, None, clock.monotonic())
        self._settle()


def introduce(node: Node, link: Link, peer: str | None) -> None:
    """Tell the node of a link, which was made for `peer` when it is one that we called."""
    node.handle_link(
        link.number,
        peer,
        link.local,
        link.remote,
        link.kind.datagram,
        clock.monotonic(),
        listener=link.listener,
        datagram_bytes=link.datagram_bytes,
        adapts=link.adapts,
    )


def _not_connected(error: Exception) -> None:
    """The listener's socket serves as well, only slower."""
    log.debug("no socket of its own for a peer", error=error)

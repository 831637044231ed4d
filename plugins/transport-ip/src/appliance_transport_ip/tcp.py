"""The control half of TCP: accepting and dialling. Both ends get the same socket options, and are handed over at once."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from appliance.api.sockets import StreamListeners, connect, family_of
from appliance.api.transport import Adopted
from appliance.api.values import Endpoint
from appliance.api.zones import from_kernel

if TYPE_CHECKING:
    from appliance.api.services import Stats
    from appliance.api.transport import SocketAddress, TransportServices

SCHEME: Final = "tcp"
BACKLOG: Final = 4096
"""Connections that wait to be accepted: as many as hosts allow by default (net.core.somaxconn), which is two seconds of a flood
of 2,000 a second, if this process gets no time for so long. Whoever finds no room tries again a second later."""
SEND_BUFFER: Final = 4 << 20
"""Bytes that the kernel holds: enough for a gigabit over 30 ms. More would only add latency."""
CONGESTION: Final = b"bbr"
"""Loss outside is not congestion inside: BBR keeps the rate. A host without BBR keeps its default."""
TCP_USER_TIMEOUT: Final = 18
UNACKNOWLEDGED: Final = 20_000
"""Milliseconds without an acknowledgement after which the kernel gives a connection up (RFC 5482)."""


class Tcp:
    """A `Transport` of `appliance.api.transport`."""

    def __init__(self, services: TransportServices) -> None:
        self._services = services
        self._listeners = StreamListeners(services, BACKLOG)
        self._accepted = self._dialled = 0

    async def listen(self, at: Endpoint) -> Endpoint:
        """Accept connections at `at`. Raises OSError (EADDRINUSE) if another process has the port."""
        return self._listeners.listen(at, self._take)

    def _take(self, sock: socket.socket, source: SocketAddress) -> bool:
        self._accepted += 1
        with suppress(OSError):  # it has gone again
            self._services.adopt(_adopted(sock, Endpoint(SCHEME, *source)))
        return True

    async def dial(self, to: Endpoint, timeout: float) -> Adopted:
        """Connect to `to`. Raises OSError or TimeoutError."""
        sock = socket.socket(family_of(to.host), socket.SOCK_STREAM)
        try:
            self._services.exempt(sock)
            sock.settimeout(0)
            async with asyncio.timeout(timeout):
                await connect(sock, to)
        except BaseException:
            sock.close()
            raise
        self._dialled += 1
        return _adopted(sock, to)

    async def connect(self, local: Endpoint, to: Endpoint) -> Adopted | None:
        """Nothing to do: a stream has a socket of its own from the start."""
        del local, to
        return None

    async def close(self) -> None:
        """Stop listening."""
        self._listeners.close()

    def stats(self) -> Stats:
        """Connections so far; `refused` are those of strangers that the node would not have."""
        figures = {"listening": len(self._listeners), "accepted": self._accepted, "refused": self._listeners.refused}
        return figures | {"dialled": self._dialled}


def _adopted(sock: socket.socket, remote: Endpoint) -> Adopted:
    """A connection as the worker wants it. Raises OSError if it is gone again."""
    sock.settimeout(0)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    with suppress(OSError):  # not built in, or not ours to choose
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION)
    local = Endpoint(SCHEME, *from_kernel(sock.getsockname()))
    return Adopted(sock, local, remote, listener=False, driver_options={})

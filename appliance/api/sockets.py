"""Sockets in the control process: what transports do with them, so that each need not do it again.

Nothing here loads TLS. `StreamListeners` is the listening half of a stream kind: it accepts, asks if the stranger is welcome,
and hands over who is.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from appliance.api.zones import from_kernel, to_kernel

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress, TransportServices
    from appliance.api.values import Endpoint

RESET: Final = struct.pack("ii", 1, 0)
"""Linger for no time: closing sends RST, and the kernel keeps no state (socket(7))."""
PAUSE_SECONDS: Final = 0.1
"""How long to wait if the process has no descriptor left for another connection."""

Take = Callable[[socket.socket, "SocketAddress"], bool]
"""(connection, where it came from). It is the taker's from then on. False: it is not wanted after all, and is refused."""


class StreamListeners:
    """The listening sockets of a stream transport. `backlog`: connections that may wait to be accepted, at each."""

    def __init__(self, services: TransportServices, backlog: int) -> None:
        self.refused = 0
        """Connections of strangers that the node, or the taker, would not have."""
        self._services = services
        self._backlog = backlog
        self._listening: list[socket.socket] = []

    def __len__(self) -> int:
        return len(self._listening)

    def listen(self, at: Endpoint, take: Take) -> Endpoint:
        """Accept connections at `at` (port 0: any) and give them to `take`. Returns the endpoint with the port that it is. Raises
        OSError (EADDRINUSE) if another process has the port."""
        sock = socket.socket(family_of(at.host), socket.SOCK_STREAM)
        try:
            self._services.exempt(sock)  # what it accepts is, too
            sock.settimeout(0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound(sock, at)
            sock.listen(self._backlog)
        except BaseException:
            sock.close()
            raise
        self._listening.append(sock)
        host, port = from_kernel(sock.getsockname())
        local = at._replace(host=host, port=port)
        self._services.spawn(self._accept(sock, take), f"accept {local}")
        return local

    def close(self) -> None:
        """Stop listening. What was accepted stays."""
        for sock in self._listening:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()
        self._listening.clear()

    async def _accept(self, listener: socket.socket, take: Take) -> None:
        while True:
            await self._services.next_turn()
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                await ready(listener)
                continue
            except OSError as error:
                if error.errno == errno.EBADF:
                    return
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            source = from_kernel(address)
            if not (self._services.welcomes(source) and take(sock, source)):
                self.refused += 1
                refuse(sock)


def refuse(sock: socket.socket) -> None:
    """Close a connection so that nothing of it is kept, here or there."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def family_of(host: str) -> socket.AddressFamily:
    """The address family of an address literal."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def bound(sock: socket.socket, at: Endpoint) -> None:
    """Bind to `at`. An IPv6 socket takes IPv6 only, so `[::]` and `0.0.0.0` can both be listened on. Raises OSError."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(to_kernel(at.host, at.port))


async def connect(sock: socket.socket, to: Endpoint) -> None:
    """Connect the non-blocking `sock`. Raises OSError."""
    try:
        sock.connect(to_kernel(to.host, to.port))
    except BlockingIOError:
        await ready(sock, writable=True)
        if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error)) from None


async def ready(sock: socket.socket, *, writable: bool = False) -> None:
    """Wait until `sock` can be read, accepted from, or (`writable`) written to.

    The loop's own `sock_connect` and `sock_accept` would load all of TLS (2 MB), only to see whether the socket is a TLS one.
    """
    loop, descriptor, arrived = asyncio.get_running_loop(), sock.fileno(), asyncio.Event()
    watch, forget = (loop.add_writer, loop.remove_writer) if writable else (loop.add_reader, loop.remove_reader)
    watch(descriptor, arrived.set)
    try:
        await arrived.wait()
    finally:
        forget(descriptor)

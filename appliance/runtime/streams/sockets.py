"""Sockets inside the overlay: what streams need of whatever the node has there, and how a host with a TUN device does it.

A socket is bound to the overlay's device and to this node's address there. Without that, a packet in the clear from the wire with
an overlay source would be believed, and what is for a peer could leave by another way when the overlay's route is missing.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from typing import Final, Protocol

from appliance.errors import HostError
from appliance.foundation.logging import get_logger
from appliance.runtime.peers.table import Address

log = get_logger("streams")

WAITING: Final = 128
"""Connections that wait to be accepted."""
ACCEPTS: Final = 16
"""Connections that are accepted in one turn of the loop."""

Source = tuple[Address, int]
Taken = Callable[[socket.socket, Source], None]
"""A connection has come in, from there. Whoever is told owns it."""


class Listening(Protocol):
    """A port that is listened at."""

    def close(self) -> None:
        """Take no more. Connections that came in go on."""


class OverlaySockets(Protocol):
    """Makes sockets inside the overlay. All are non-blocking."""

    async def connect(self, to: Address, port: int, *, datagrams: bool = False) -> socket.socket:
        """A socket that is connected with that port of a peer's address: a stream, or for datagrams. Raises OSError. Takes as
        long as the kernel tries: whoever calls has a limit."""
        ...

    def listen(self, port: int, taken: Taken) -> Listening:
        """Take connections at that port of all this node's addresses. Raises HostError."""
        ...


class HostSockets:
    """Those of a host with a TUN device: `device()` is its name, `own()` this node's addresses there."""

    def __init__(self, device: Callable[[], str], own: Callable[[], Sequence[Address]]) -> None:
        self._device = device
        self._own = own

    async def connect(self, to: Address, port: int, *, datagrams: bool = False) -> socket.socket:
        """As `OverlaySockets`."""
        made = self._made(to.version, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
        try:
            source = next((own for own in self._own() if own.version == to.version), None)
            if source is None:
                raise OSError(errno.EADDRNOTAVAIL, f"this node has no IPv{to.version} address in the overlay")
            made.bind((str(source), 0))
            await asyncio.get_running_loop().sock_connect(made, (str(to), port))
        except BaseException:
            made.close()
            raise
        return made

    def listen(self, port: int, taken: Taken) -> Listening:
        """As `OverlaySockets`."""
        try:
            with ExitStack() as made:
                listeners = [made.enter_context(closing(self._listener(own, port, taken))) for own in self._own()]
                made.pop_all()
        except OSError as error:
            raise HostError(
                f"port {port} of this node in the overlay cannot be had: {error.strerror}",
                hint=f"see who has it: ss -lntp sport = :{port}",
            ) from error
        return _All(listeners)

    def _listener(self, own: Address, port: int, taken: Taken) -> _Listener:
        made = self._made(own.version, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a node before this one may linger
            made.bind((str(own), port))
            made.listen(WAITING)
            return _Listener(made, taken)
        except BaseException:
            made.close()
            raise

    def _made(self, version: int, kind: int) -> socket.socket:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._device().encode() + b"\0")
            if kind == socket.SOCK_STREAM:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            made.close()
            raise
        return made


class _Listener:
    def __init__(self, listener: socket.socket, taken: Taken) -> None:
        self._listener = listener
        self._taken = taken
        asyncio.get_running_loop().add_reader(listener, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, source = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no descriptor left, or the caller has gone
                log.debug("a stream was not accepted", reason=str(error))
                return
            connection.setblocking(False)  # noqa: FBT003
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._taken(connection, source_of(source))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()


class _All:
    def __init__(self, each: Sequence[_Listener]) -> None:
        self._each = each

    def close(self) -> None:
        for one in self._each:
            one.close()


def source_of(name: tuple[object, ...]) -> Source:
    """A socket's address, as `getpeername` gives it."""
    import ipaddress

    return ipaddress.ip_address(str(name[0]).partition("%")[0]), int(str(name[1]))

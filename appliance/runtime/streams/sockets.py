"""Sockets inside the overlay: what streams need of whatever the node has there, and how a host with a TUN device does it.

A socket is bound to the overlay's device and to this node's address there. Without that, a packet in the clear from the wire with
an overlay source would be believed, and what is for a peer could leave by another way when the overlay's route is missing.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Final, Protocol

from appliance.errors import HostError
from appliance.foundation.logging import get_logger
from appliance.runtime.inside import HERE, Inside
from appliance.runtime.peers.table import Address

log = get_logger("streams")

WAITING: Final = 128
"""Connections that wait to be accepted."""
QUIET_SECONDS: Final = 120
ASK_SECONDS: Final = 15
GONE_SECONDS: Final = 120
"""After a silence of the first a peer is asked, again each second; one that answers nothing of that, or of what was sent to it,
for the third is gone. Chosen: a node that is restarted, or a laptop in a tunnel, is back by then; tcp(7)'s own figure is two
hours."""
ACCEPTS: Final = 16
"""Connections that are accepted in one turn of the loop."""

MOST_DATAGRAM: Final = 65535

Source = tuple[Address, int]
Taken = Callable[[socket.socket, Source], None]
"""A connection has come in, from there. Whoever is told owns it."""
Heard = Callable[[bytes, Address, Source], None]
"""A datagram has come in, at that address of this node's, from there."""


class Listening(Protocol):
    """A port that is listened at."""

    def close(self) -> None:
        """Take no more. Connections that came in go on."""


class Hearing(Listening, Protocol):
    """A port at which datagrams are heard."""

    def send(self, data: bytes, at: Address, to: Source) -> None:
        """Answer from that address of this node's. What cannot be sent now is lost, as datagrams are."""


class OverlaySockets(Protocol):
    """Makes sockets inside the overlay. All are non-blocking."""

    async def connect(self, to: Address, port: int, *, datagrams: bool = False) -> socket.socket:
        """A socket that is connected with that port of a peer's address: a stream, or for datagrams. Raises OSError. Takes as
        long as the kernel tries: whoever calls has a limit."""
        ...

    def listen(self, port: int, taken: Taken) -> Listening:
        """Take connections at that port of all this node's addresses. Raises HostError."""
        ...

    def hear(self, port: int, heard: Heard) -> Hearing:
        """Hear datagrams at that port of all this node's addresses, from all who have no socket of their own (`answering`).
        Raises HostError."""
        ...

    def answering(self, at: Address, port: int, to: Source) -> socket.socket:
        """A socket for the datagrams that `to` sends to that port from now on, and for none else. Raises OSError."""
        ...


class HostSockets:
    """Those of a host with a TUN device: `device()` is its name, `own()` this node's addresses there, `inside` the network it is
    in. A socket stays in the network in which it was made, whoever uses it."""

    def __init__(self, device: Callable[[], str], own: Callable[[], Sequence[Address]], inside: Inside = HERE) -> None:
        self._device = device
        self._own = own
        self._inside = inside

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
        return _Listeners(self._bound(port, socket.SOCK_STREAM), taken)

    def hear(self, port: int, heard: Heard) -> Hearing:
        """As `OverlaySockets`."""
        return _Ears(self._bound(port, socket.SOCK_DGRAM), heard)

    def answering(self, at: Address, port: int, to: Source) -> socket.socket:
        """As `OverlaySockets`. The kernel gives a datagram to the socket that is connected with its source, before all others."""
        made = self._made(at.version, socket.SOCK_DGRAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((str(at), port))
            made.connect((str(to[0]), to[1]))
            _drain(made)  # what came between the two calls may be anybody's
        except BaseException:
            made.close()
            raise
        return made

    def _bound(self, port: int, kind: int) -> list[socket.socket]:
        """A socket at each of this node's addresses. Raises HostError."""
        try:
            with ExitStack() as made:
                bound = [made.enter_context(self._made(own.version, kind)) for own in self._own()]
                for each, own in zip(bound, self._own(), strict=True):
                    # Connections of a node before this one may linger; datagrams' sockets share the port with those of callers.
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    each.bind((str(own), port))
                    if kind == socket.SOCK_STREAM:
                        each.listen(WAITING)
                made.pop_all()
                return bound
        except OSError as error:
            raise HostError(
                f"port {port} of this node in the overlay cannot be had: {error.strerror}",
                hint=f"see who has it: ss -lntup sport = :{port}",
            ) from error

    def _made(self, version: int, kind: int) -> socket.socket:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        made = self._inside.call(socket.socket, family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._device().encode() + b"\0")
            if kind == socket.SOCK_STREAM:
                _notice_the_end(made)
        except BaseException:
            made.close()
            raise
        return made


class _Listeners:
    def __init__(self, listeners: Sequence[socket.socket], taken: Taken) -> None:
        self._listeners = listeners
        self._taken = taken
        for each in listeners:
            asyncio.get_running_loop().add_reader(each, self._accept, each)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, source = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no descriptor left, or the caller has gone
                log.debug("a stream was not accepted", reason=str(error))
                return
            connection.setblocking(False)  # noqa: FBT003
            self._taken(connection, source_of(source))

    def close(self) -> None:
        for each in self._listeners:
            asyncio.get_running_loop().remove_reader(each)
            each.close()


class _Ears:
    def __init__(self, bound: Sequence[socket.socket], heard: Heard) -> None:
        self._bound = {source_of(each.getsockname())[0]: each for each in bound}
        self._heard = heard
        for at, each in self._bound.items():
            asyncio.get_running_loop().add_reader(each, self._read, at, each)

    def _read(self, at: Address, bound: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                data, source = bound.recvfrom(MOST_DATAGRAM)
            except OSError:  # nothing more, or a report that somebody has gone
                return
            self._heard(data, at, source_of(source))

    def send(self, data: bytes, at: Address, to: Source) -> None:
        bound = self._bound.get(at)
        if bound is not None:
            with suppress(OSError):
                bound.sendto(data, (str(to[0]), to[1]))

    def close(self) -> None:
        for each in self._bound.values():
            asyncio.get_running_loop().remove_reader(each)
            each.close()


def _notice_the_end(made: socket.socket) -> None:
    """A peer that vanished never says so: the kernel asks it, and breaks the stream off. What a listener accepts inherits all
    this."""
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, QUIET_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASK_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_SECONDS * 1000)


def _drain(bound: socket.socket) -> None:
    with suppress(OSError):
        while True:
            bound.recv(1)


def source_of(name: tuple[object, ...]) -> Source:
    """A socket's address, as `getpeername` gives it."""
    import ipaddress

    return ipaddress.ip_address(str(name[0]).partition("%")[0]), int(str(name[1]))

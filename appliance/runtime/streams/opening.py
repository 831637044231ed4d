"""Streams and datagrams that applications of this node open to peers."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.control.handing import Handed
from appliance.errors import PeerFault
from appliance.runtime.streams.errors import NothingServed, PeerNotReached, refusal
from appliance.runtime.streams.incoming import read_exactly
from appliance.runtime.streams.traced import Step, Trace, step, untraced
from appliance.wire.stream_preface import (
    HEAD_BYTES,
    MOST_BYTES,
    StreamRefusal,
    Wanted,
    encode_wanted,
    length_of,
    read_answer,
    unframed_answer,
)

if TYPE_CHECKING:
    from appliance.runtime.peers.table import Address
    from appliance.runtime.streams.sockets import OverlaySockets

PORT: Final = 842
"""Of each node's overlay address. Below 1,024, so that no ordinary user of the host can sit there first."""
AGAIN_SECONDS: Final = 0.25
"""Until a question by datagram is sent again; then twice as long each time."""


class Target(NamedTuple):
    """Who is called."""

    name: str
    addresses: Sequence[Address]


class Opening:
    """Opens them. What it gives back is `Handed`, the caller's to close. All raise StreamError."""

    def __init__(self, sockets: OverlaySockets, trace: Trace = untraced) -> None:
        self._sockets = sockets
        self._trace = trace

    async def stream(self, target: Target, wanted: Wanted, seconds: float) -> Handed:
        """A stream to a service of a peer."""
        with self._step(target, wanted) as (passed_on, _step):
            return await self._stream(target, passed_on, seconds)

    async def _stream(self, target: Target, wanted: Wanted, seconds: float) -> Handed:
        async with _limit(seconds, target, f"service {wanted.service}"):
            opened = await self._connected(target, PORT, wanted.service)
            try:
                await asyncio.get_running_loop().sock_sendall(opened, encode_wanted(wanted))
                refused = read_answer(await read_exactly(opened, length_of(await read_exactly(opened, HEAD_BYTES))))
            except (PeerFault, EOFError, OSError) as error:
                opened.close()
                raise _ended(target) from error
            except BaseException:
                opened.close()
                raise
        return _handed(target, opened, wanted.service, refused)

    async def datagrams(self, target: Target, wanted: Wanted, seconds: float) -> Handed:
        """A socket for datagrams to a service of a peer. What comes on it at first may be that peer's answer once more."""
        with self._step(target, wanted) as (passed_on, _step):
            return await self._socket_for(target, passed_on, seconds)

    async def _socket_for(self, target: Target, wanted: Wanted, seconds: float) -> Handed:
        async with _limit(seconds, target, f"service {wanted.service}"):
            opened = await self._connected(target, PORT, wanted.service, datagrams=True)
            try:
                refused = await _asked(opened, encode_wanted(wanted))
            except ConnectionRefusedError as error:
                opened.close()
                raise _nothing(target, wanted.service) from error
            except OSError as error:
                opened.close()
                raise _ended(target) from error
            except BaseException:
                opened.close()
                raise
        return _handed(target, opened, wanted.service, refused)

    async def port(self, target: Target, port: int, seconds: float, *, datagrams: bool = False) -> Handed:
        """A plain connection to a port of a peer."""
        async with _limit(seconds, target, f"port {port}"):
            opened = await self._connected(target, port, f"port {port}", datagrams=datagrams)
        return _handed(target, opened, "", None)

    def _step(self, target: Target, wanted: Wanted) -> AbstractContextManager[tuple[Wanted, Step | None]]:
        return step(self._trace, "client", f"connect {wanted.service}", wanted, {"appliance.peer": target.name})

    async def _connected(self, target: Target, port: int, what: str, *, datagrams: bool = False) -> socket.socket:
        problem: OSError | None = None
        for address in target.addresses:
            try:
                return await self._sockets.connect(address, port, datagrams=datagrams)
            except OSError as error:
                problem = problem or error
        assert problem is not None
        if problem.errno == errno.ECONNREFUSED:
            raise _nothing(target, what)
        raise PeerNotReached(f"{target.name} cannot be reached: {problem.strerror}", hint=f"see: appliance ping {target.name}")


async def _asked(opened: socket.socket, question: bytes) -> StreamRefusal | None:
    """The answer to a question by datagram, which is sent until it comes. Raises OSError."""
    loop, pause = asyncio.get_running_loop(), AGAIN_SECONDS
    while True:
        await loop.sock_sendall(opened, question)
        with suppress(TimeoutError, PeerFault):
            async with asyncio.timeout(pause):
                return unframed_answer(await loop.sock_recv(opened, MOST_BYTES))
        pause *= 2


@asynccontextmanager
async def _limit(seconds: float, target: Target, what: str) -> AsyncGenerator[None, None]:
    """A time limit that ends with an error for people."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise PeerNotReached(
            f"{target.name} did not answer within {seconds:g} s ({what})", hint=f"see: appliance ping {target.name}"
        ) from error


def _handed(target: Target, opened: socket.socket, service: str, refused: StreamRefusal | None) -> Handed:
    """For the application, unless it was refused."""
    if refused is not None:
        opened.close()
        raise refusal(refused, target.name, service)
    return Handed(_said(target, opened, service), (opened,))


def _said(target: Target, opened: socket.socket, service: str) -> Mapping[str, object]:
    said: dict[str, object] = {"peer": target.name, "service": service, "address": str(target.addresses[0])}
    with suppress(OSError):
        remote = opened.getpeername()
        if isinstance(remote, tuple):
            said |= {"address": remote[0], "port": remote[1]}
    return said


def _nothing(target: Target, what: str) -> NothingServed:
    return NothingServed(f"nothing listens on {target.name} for {what}", hint="is it served there? see: appliance serve")


def _ended(target: Target) -> PeerNotReached:
    return PeerNotReached(f"{target.name} ended the stream before it said anything", hint="try again")

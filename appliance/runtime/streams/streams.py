"""Streams of one node: those that its applications open, and those that they serve. What it takes is loaded when the first
application asks."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from appliance.control.handing import Handed
from appliance.errors import HostError, PeerFault
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.runtime.streams.errors import NothingServed, PeerNotReached, ServiceTaken, StreamError, refusal
from appliance.runtime.streams.incoming import Incoming, Judge, read_exactly
from appliance.runtime.streams.served import Served
from appliance.wire.stream_preface import HEAD_BYTES, Wanted, encode_wanted, length_of, read_answer

if TYPE_CHECKING:
    from appliance.runtime.peers.table import Address, PeerTable
    from appliance.runtime.streams.sockets import Listening, OverlaySockets

log = get_logger("streams")

PORT: Final = 842
"""Of each node's overlay address. Below 1,024, so that no ordinary user of the host can sit there first."""
LOOK_SECONDS: Final = 2.0
"""How often it is looked whether the door is still where it was: device and addresses may change under it."""
MOST_SERVICES: Final = 256


class Target(NamedTuple):
    """Who is called."""

    name: str
    addresses: Sequence[Address]


class Streams:
    """`own()` are this node's addresses in the overlay, `sockets` makes sockets there, `place()` says where those are made: when
    it says something else, the door is opened anew."""

    def __init__(
        self,
        table: PeerTable,
        own: Callable[[], Sequence[Address]],
        sockets: OverlaySockets,
        place: Callable[[], object],
    ) -> None:
        self._sockets = sockets
        self._place = place
        self._services: dict[str, Served] = {}
        self.judge: Judge = lambda _caller, _service: ""
        """Who may have which service."""
        self.incoming = Incoming(table, own, self._services, lambda: self.judge)
        self._door: Listening | None = None
        self._door_at: object = None
        self.problem = ""
        """What keeps callers from getting in; "" if nothing does."""
        self._tasks = Tasks()

    async def close(self) -> None:
        """No more streams; those that were handed over go on."""
        await self._tasks.close()
        self._shut()
        await self.incoming.close()

    # ---- out ----

    async def open(self, target: Target, wanted: Wanted, seconds: float) -> Handed:
        """A stream to a service of a peer. Raises StreamError."""
        async with _limit(seconds, target, f"service {wanted.service}"):
            stream = await self._connected(target, PORT, wanted.service)
            try:
                await asyncio.get_running_loop().sock_sendall(stream, encode_wanted(wanted))
                refused = read_answer(await read_exactly(stream, length_of(await read_exactly(stream, HEAD_BYTES))))
            except (PeerFault, EOFError, OSError) as error:
                stream.close()
                raise PeerNotReached(f"{target.name} ended the stream before it said anything", hint="try again") from error
            except BaseException:
                stream.close()
                raise
        if refused is not None:
            stream.close()
            raise refusal(refused, target.name, wanted.service)
        return Handed(_said(target, stream), (stream,))

    async def dial(self, target: Target, port: int, seconds: float, *, datagrams: bool = False) -> Handed:
        """A plain connection to a port of a peer. Raises StreamError."""
        async with _limit(seconds, target, f"port {port}"):
            stream = await self._connected(target, port, f"port {port}", datagrams=datagrams)
        return Handed(_said(target, stream), (stream,))

    async def _connected(self, target: Target, port: int, what: str, *, datagrams: bool = False) -> socket.socket:
        problem: OSError | None = None
        for address in target.addresses:
            try:
                return await self._sockets.connect(address, port, datagrams=datagrams)
            except OSError as error:
                problem = problem or error
        assert problem is not None
        if problem.errno == errno.ECONNREFUSED:
            raise NothingServed(f"nothing listens on {target.name} for {what}", hint="is it served there? see appliance serve")
        raise PeerNotReached(f"{target.name} cannot be reached: {problem.strerror}", hint=f"see: appliance ping {target.name}")

    # ---- in ----

    async def serve(self, name: str, uid: int) -> AsyncGenerator[Any, None]:
        """An item that says that `name` is served from now on, and then the streams that come in for it, until it is closed.
        Raises StreamError, HostError."""
        served = self._registered(name, uid)
        try:
            yield {"serving": name}
            async for stream in served.items():
                yield stream
        finally:
            del self._services[name]
            if not self._services:
                await self._tasks.close()
                self._shut()

    def _registered(self, name: str, uid: int) -> Served:
        if name in self._services:
            raise ServiceTaken(
                f"service {name} is served by another application of this host", hint="end that, or choose another name"
            )
        if len(self._services) >= MOST_SERVICES:
            raise StreamError(f"this node serves {MOST_SERVICES} services already", hint="end one of them")
        if self._door is None:
            self._open()
            self._tasks.spawn(self._follow(), "the door of streams")
        served = self._services[name] = Served(name, uid)
        return served

    def shown(self) -> dict[str, Any] | None:
        """For `status`; None as long as nothing happened."""
        if not self._services and not self.incoming.counted:
            return None
        return {
            "services": {name: {"uid": each.uid, "streams": each.streams} for name, each in self._services.items()},
            "callers": dict(self.incoming.counted),
            "problem": self.problem,
        }

    # ---- the door ----

    def _open(self) -> None:
        at = self._place()
        self._door, self._door_at = self._sockets.listen(PORT, self.incoming.take), at

    def _shut(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._place() == self._door_at and self._door is not None:
                continue
            self._shut()
            try:
                self._open()
                self.problem = ""
            except (HostError, OSError) as error:
                if not self.problem:
                    log.warning("streams do not get in", reason=str(error))
                self.problem = str(error)


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


def _said(target: Target, stream: socket.socket) -> Mapping[str, object]:
    """What the application is told of a stream that it opened."""
    with suppress(OSError):
        remote = stream.getpeername()
        if isinstance(remote, tuple):
            return {"peer": target.name, "address": remote[0], "port": remote[1]}
    return {"peer": target.name, "address": str(target.addresses[0])}

"""A tunnel: a local port whose connections, or datagrams, go to a service or port of a peer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

from appliance.sdk.connection import Connection
from appliance.sdk.datagrams import MOST as MOST_DATAGRAM
from appliance.sdk.datagrams import Datagrams
from appliance.sdk.errors import NodeGone, SDKError
from appliance.sdk.local.doorway import Doorway
from appliance.sdk.local.flows import IDLE_SECONDS, Flows
from appliance.sdk.local.splicing import splice
from appliance.sdk.sockets import abort, listening

PATIENCE: Final = 15.0
"""Seconds for which a stream is tried: a node that is restarted, or a peer that changes its network, is back by then."""
PAUSE, LONGEST_PAUSE = 0.1, 1.0
READS: Final = 64
"""Datagrams that are read in one turn of the loop."""

Opened = TypeVar("Opened")


class Dials(Protocol):
    """What a tunnel needs of a client."""

    async def connect(self, to: str, service: str | int, *, deadline: float = ...) -> Connection:
        """A stream."""
        ...

    async def connect_datagrams(self, to: str, service: str | int, *, deadline: float = ...) -> Datagrams:
        """Datagrams."""
        ...


class TunnelMetrics(NamedTuple):
    """What went through a tunnel so far."""

    connections: int
    """Connections, or flows of datagrams."""
    open: int
    """Of those, that are there now."""
    bytes_sent: int
    """To the peer."""
    bytes_received: int
    errors: int
    """Connections that came to nothing, or were broken off."""
    reconnects: int
    """Attempts beyond the first of a connection."""


class Tunnel:
    """`async with Tunnel(client, "laptop", 5432) as tunnel:`; programs of this host connect to `tunnel.local_address`.

    Each local connection is a stream of its own, which is tried for `patience` seconds when the peer, or this host's node, is
    away. `failed` hears why one came to nothing.
    """

    def __init__(
        self,
        client: Dials,
        to: str,
        service: str | int,
        *,
        local: tuple[str, int] = ("127.0.0.1", 0),
        datagrams: bool = False,
        patience: float = PATIENCE,
        idle: float = IDLE_SECONDS,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        self._client = client
        self.remote_address = (to, service)
        """The peer, and its service or port."""
        self._local = local
        self._patience = patience
        self._failed = failed
        self._connections = self._errors = self._reconnects = 0
        self._carried = [0, 0]
        self._doorway: Doorway | None = None
        self._flows: Flows | None = Flows(idle, failed=self._failure) if datagrams else None
        self._bound: socket.socket | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def start(self) -> None:
        """Listen. Raises BadAddress."""
        if self._flows is None:
            self._doorway = Doorway(self._local, self._carry)
        else:
            self._bound = listening(self._local, socket.SOCK_DGRAM)
            asyncio.get_running_loop().add_reader(self._bound, self._read, self._bound, self._flows)

    async def close(self) -> None:
        """Stop listening, and end all that goes through. Safe to call twice."""
        if self._doorway is not None:
            await self._doorway.close()
        if self._bound is not None and self._flows is not None:
            asyncio.get_running_loop().remove_reader(self._bound)
            await self._flows.close()
            self._bound.close()
            self._bound = None

    @property
    def local_address(self) -> tuple[str, int]:
        """Where it listens: host and port."""
        if self._doorway is not None:
            return self._doorway.address
        if self._bound is None:
            return self._local
        host, port = self._bound.getsockname()[:2]
        return host, port

    @property
    def metrics(self) -> TunnelMetrics:
        """What went through so far."""
        there, back = self._carried
        if self._flows is not None:
            opened = self._flows.counted["opened"]
            there, back = self._flows.bytes_there, self._flows.bytes_back
            return TunnelMetrics(opened, len(self._flows), there, back, self._errors, self._reconnects)
        now = 0 if self._doorway is None else self._doorway.connections
        return TunnelMetrics(self._connections, now, there, back, self._errors, self._reconnects)

    # ---- streams ----

    async def _carry(self, local: socket.socket) -> None:
        self._connections += 1
        try:
            stream = await self._tried(self._client.connect)
        except SDKError as error:
            abort(local)
            self._failure(error)
            return
        with suppress(OSError):
            local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await splice(local, stream.detach(), self._count)
        except OSError:
            self._errors += 1

    def _count(self, direction: int, size: int) -> None:
        self._carried[direction] += size

    async def _tried(self, dial: Callable[..., Awaitable[Opened]]) -> Opened:
        """What `dial` gives, in the end. Raises SDKError."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._patience, PAUSE
        to, service = self.remote_address
        while True:
            try:
                return await dial(to, service, deadline=max(0.1, end - loop.time()))
            except SDKError as error:
                if not _may_pass(error) or loop.time() + pause >= end:
                    raise
            self._reconnects += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    # ---- datagrams ----

    def _read(self, bound: socket.socket, flows: Flows) -> None:
        for _ in range(READS):
            try:
                data, source = bound.recvfrom(MOST_DATAGRAM)
            except OSError:  # nothing more, or a report that a sender has gone
                return
            flows.send(source, data, lambda: self._tried(self._client.connect_datagrams), _back_to(bound, source))

    def _failure(self, error: Exception) -> None:
        self._errors += 1
        if self._failed is not None:
            self._failed(error)


def _back_to(bound: socket.socket, source: Any) -> Callable[[bytes], None]:
    def back(data: bytes) -> None:
        with suppress(OSError):
            bound.sendto(data, source)

    return back


def _may_pass(error: SDKError) -> bool:
    """Is it worth another attempt? The node of this host may be restarted."""
    return error.retryable or isinstance(error, NodeGone)

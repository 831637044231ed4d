"""Lets connections to gRPC in at one address: each takes a seat before anything is read, as those of HTTP do.

    client ─ seat ─ bytes, TLS and all ─▶ a port of loopback that nobody is told of ─ gRPC's library

The library accepts connections by itself, as many as come, and can neither count them by address nor be handed accepted ones. It
sees a connection from loopback; whose that is, is known by its port.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

from appliance.api_server.edge.acceptor import Acceptor
from appliance.api_server.edge.edge import Edge

INSIDE: Final = "127.0.0.1"
LINGER: Final = 2.0
"""Seconds for the client to read the last words."""
BACKLOG: Final = 128

Senders = dict[int, str]
"""The address of who is at the other end, by the port from which the library hears him."""


def door(edge: Edge, listener: socket.socket, port: int, senders: Senders) -> Acceptor:
    """Let connections in there from now on, on to the library at that port."""
    return Acceptor(
        listener,
        lambda: _Outside(port, senders),
        lambda: None,
        edge.seats,
        edge.figures,
        edge.deadlines.handshake,
    )


class _Side(asyncio.Protocol):
    """One of the two connections. What one side does not take, the other does not read."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.other: Any = None
        """The transport of the other side; None while it is not there."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self.other is not None and not self.other.is_closing():
            self.other.close()
            asyncio.get_running_loop().call_later(LINGER, self.other.abort)


class _Outside(_Side):
    """The client's. Nothing is read before the library is there."""

    def __init__(self, port: int, senders: Senders) -> None:
        super().__init__()
        self._port = port
        self._senders = senders
        self._known = 0
        self._calling: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.pause_reading()
        self._calling = asyncio.get_running_loop().create_task(self._call(), name="gRPC")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._calling is not None:
            self._calling.cancel()
        self._senders.pop(self._known, None)
        super().connection_lost(exc)

    async def _call(self) -> None:
        inside = _Side()
        inside.other = self.transport
        try:
            called, _ = await asyncio.get_running_loop().create_connection(lambda: inside, INSIDE, self._port)
        except OSError:
            self.transport.abort()
            return
        except asyncio.CancelledError:  # the client has gone; the library may have been there already
            if inside.transport is not None:
                inside.transport.abort()
            raise
        self._known = called.get_extra_info("sockname")[1]
        self._senders[self._known] = self.transport.get_extra_info("peername")[0]
        self.other = called
        self.transport.resume_reading()

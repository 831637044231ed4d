"""A stream to a peer: a socket that the node of this host has opened or taken, and that is the application's alone since."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Self

from appliance.sdk.errors import ConnectionLost
from appliance.sdk.sockets import abort

PIECE: Final = 1 << 16


class Connection:
    """Bytes in both directions. Three ways to end: `close_write` says that no more is sent and goes on reading, `close` gives up
    both directions in order, `reset` at once, and the other side sees an error.

    Cancelling any of these leaves the connection as it is; a write that is cancelled may have sent a part.
    """

    def __init__(self, stream: socket.socket, about: Mapping[str, Any]) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self.peer = str(about.get("peer") or "")
        """The peer's name; "" for a process of this host."""
        self.identity = str(about.get("identity") or "")
        self.service = str(about.get("service") or "")
        self.metadata: Mapping[str, str] = about.get("metadata") or {}
        self.traceparent = str(about.get("traceparent") or "")
        self.about = about
        """All that the node said of it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def fileno(self) -> int:
        """The descriptor, for selectors."""
        return self._stream.fileno()

    def detach(self) -> socket.socket:
        """The socket itself, non-blocking. This object is closed by it."""
        stream, self._stream = self._stream, socket.socket()
        self._stream.close()
        return stream

    async def read(self, most: int = PIECE) -> bytes:
        """What is there, `most` bytes of it, as soon as there is something; b"" when the other side has closed its direction.
        Raises ConnectionLost."""
        try:
            return await self._loop.sock_recv(self._stream, most)
        except OSError as error:
            raise _lost(self.peer, error) from error

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """As `read`, into a buffer. Returns the number of bytes."""
        try:
            return await self._loop.sock_recv_into(self._stream, buffer)
        except OSError as error:
            raise _lost(self.peer, error) from error

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it; returns when the kernel has taken it, so a peer that does not read holds the writer up. Raises
        ConnectionLost."""
        try:
            await self._loop.sock_sendall(self._stream, data)
        except OSError as error:
            raise _lost(self.peer, error) from error

    async def close_write(self) -> None:
        """Nothing more is sent: the other side reads the end. Reading goes on."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """Give up both directions; what was written still arrives. Safe to call twice."""
        self._stream.close()

    def reset(self) -> None:
        """Give it up at once: the other side gets ConnectionLost."""
        abort(self._stream)
        self._stream.close()


def _lost(peer: str, error: OSError) -> ConnectionLost:
    return ConnectionLost(f"the stream {f'with {peer} ' if peer else ''}is lost: {error.strerror}", hint="open a new one")

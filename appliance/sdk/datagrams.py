"""Datagrams with a peer: each arrives whole, or not at all, in any order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Self

from appliance.sdk.errors import ConnectionLost
from appliance.wire.stream_preface import encode_answer

MOST: Final = 65535
_ANSWER: Final = encode_answer(None)


class Datagrams:
    """Sends and receives them. Those that are longer than the overlay's MTU are cut by the kernel and put together again."""

    def __init__(self, bound: socket.socket, about: Mapping[str, Any]) -> None:
        self._bound = bound
        self._loop = asyncio.get_running_loop()
        self._passes_answers = bool(about.get("service"))
        self.peer = str(about.get("peer") or "")
        self.service = str(about.get("service") or "")
        self.metadata: Mapping[str, str] = about.get("metadata") or {}
        self.about = about

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def fileno(self) -> int:
        """The descriptor, for selectors."""
        return self._bound.fileno()

    def detach(self) -> socket.socket:
        """The socket itself, non-blocking. This object is closed by it."""
        bound, self._bound = self._bound, socket.socket()
        self._bound.close()
        return bound

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send one. It may be lost without a word; waits only while this host's queue is full. Raises ConnectionLost when the
        peer's host said that nobody takes them."""
        try:
            await self._loop.sock_sendall(self._bound, data)
        except OSError as error:
            raise ConnectionLost(f"datagrams to {self.peer}: {error.strerror}", hint="open new ones") from error

    async def receive(self) -> bytes:
        """The next. Raises ConnectionLost as `send`."""
        while True:
            try:
                data = await self._loop.sock_recv(self._bound, MOST)
            except OSError as error:
                raise ConnectionLost(f"datagrams from {self.peer}: {error.strerror}", hint="open new ones") from error
            if self._passes_answers and data == _ANSWER:  # the question had been sent twice
                continue
            self._passes_answers = False
            return data

    async def close(self) -> None:
        """Give them up."""
        with suppress(OSError):
            self._bound.close()

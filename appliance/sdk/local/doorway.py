"""A local TCP port: accepts connections of this host's programs, each handled in a task of its own, so many at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from appliance.sdk.sockets import listening

MOST: Final = 1024
"""Connections at a time; further ones wait in the kernel's queue."""
FULL_SECONDS: Final = 0.1
"""How long nothing is accepted when this process has no descriptor left."""


class Doorway:
    """Accepts at `address` and has each connection handled by `handle`, which closes it. Port 0 is any that is free."""

    def __init__(self, address: tuple[str, int], handle: Callable[[socket.socket], Awaitable[None]], most: int = MOST) -> None:
        self._listener = listening(address)
        self._handle = handle
        self._room = asyncio.Semaphore(most)
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.get_running_loop().create_task(self._accept(), name="local connections")

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._tasks)

    async def close(self) -> None:
        """Accept no more, and break off those that are there."""
        tasks = [self._accepting, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room.acquire()
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError:
                self._room.release()
                await asyncio.sleep(FULL_SECONDS)
                continue
            except BaseException:
                self._room.release()
                raise
            task = loop.create_task(self._handled(connection), name="a local connection")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _handled(self, connection: socket.socket) -> None:
        try:
            await self._handle(connection)
        finally:
            connection.close()
            self._room.release()

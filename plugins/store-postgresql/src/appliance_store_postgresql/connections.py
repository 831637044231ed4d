"""The connections of one API server: a few that read, and are used again, and one that writes.

While the database is away, calls fail at once; a try to reach it is made again every second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import asyncpg

from appliance.api.stores import StoreBroken
from appliance_store_postgresql.connecting import Connecting, Connection
from appliance_store_postgresql.errors import as_told, is_lost

AGAIN: Final = 1.0
"""Seconds between two tries to reach a database that is away."""
LATER: Final = 2.0
"""Seconds beyond those of a statement until it is given up here: the database ends it first, unless the network is gone."""
TRIES: Final = 2
"""Of a read whose connection breaks."""
Answer = TypeVar("Answer")
Deed = Callable[[Connection], Awaitable[Answer]]


class Connections:
    """`most` read at a time."""

    def __init__(self, connecting: Connecting, most: int) -> None:
        self._connecting = connecting
        self._room = asyncio.Semaphore(most)
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._not_before = 0.0
        self._trouble: Exception | None = None
        self._closed = False
        self.made = 0

    @property
    def trouble(self) -> str:
        """Why the database cannot be reached now; "" if it can."""
        return str(self._trouble or "")

    @property
    def where(self) -> str:
        """Which database it is."""
        return self._connecting.where

    async def new(self) -> Connection:
        """A connection for the caller, who ends it by `end`. Raises StoreAway, StoreBroken."""
        if self._closed:
            raise closed()
        now = asyncio.get_running_loop().time
        if self._trouble is not None and now() < self._not_before:
            raise self._trouble.with_traceback(None)  # it would get longer each time
        try:
            made = await self._connecting.connect()
        except Exception as error:
            self._trouble = self.told(error)
            self._not_before = now() + AGAIN
            raise self._trouble from error
        self._trouble = None
        self.made += 1
        self._used.add(made)
        return made

    def end(self, connection: Connection) -> None:
        """Hang up, at once."""
        self._used.discard(connection)
        connection.terminate()

    async def done(self, connection: Connection, deed: Deed[Answer]) -> Answer:
        """What `deed` returns, in time. Raises what it raises; the connection is of no use then if `is_lost`."""
        async with asyncio.timeout(self._connecting.seconds + LATER):
            return await deed(connection)

    async def read(self, deed: Deed[Answer]) -> Answer:
        """What `deed` returns, by any connection. It goes on when the caller is cancelled: to break it off would cost more.
        Raises StoreAway, StoreBroken."""
        if self._closed:
            raise closed()
        task = asyncio.get_running_loop().create_task(self._read(deed), name="store: read")
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def told(self, error: Exception) -> Exception:
        """What that means to whoever uses the store: StoreAway, StoreBroken or StoreFull. A mistake of ours stays what it is."""
        return (
            as_told(error, self.where) if isinstance(error, OSError | asyncpg.PostgresError | asyncpg.InterfaceError) else error
        )

    async def close(self) -> None:
        """Let go of all."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._idle:
            with suppress(Exception):
                async with asyncio.timeout(1):
                    await connection.close()
        for connection in list(self._used):
            self.end(connection)

    async def _read(self, deed: Deed[Answer]) -> Answer:
        async with self._room:
            for left in reversed(range(TRIES)):
                connection = await self._taken()
                try:
                    answer = await self.done(connection, deed)
                except Exception as error:
                    if is_lost(error) or connection.is_closed():
                        self.end(connection)
                        self._forget_idle()  # the others are of the same time
                        if left and not isinstance(error, TimeoutError):
                            continue
                    else:
                        self._idle.append(connection)
                    raise self.told(error) from error
                except BaseException:
                    self.end(connection)
                    raise
                self._idle.append(connection)
                return answer
            raise AssertionError("the last try returns or raises")

    async def _taken(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self.end(connection)
        return await self.new()

    def _forget_idle(self) -> None:
        while self._idle:
            self.end(self._idle.pop())

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may have gone


def closed() -> StoreBroken:
    """The error of a store that was closed."""
    return StoreBroken("the store is closed", hint="open it again")

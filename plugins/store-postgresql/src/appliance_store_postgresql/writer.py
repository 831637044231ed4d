"""Commits that wait together become one statement, which is one transaction: a round trip and a flush, however many there are.

If the connection breaks before the answer comes, the next one asks what became of the batch. It takes the earlier one's place
first (`connection` in `servers`), so what that one left behind in the database cannot happen any more after the answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import asyncpg

from appliance.api.stores import Change, Conflict, StoreAway, StoreFull
from appliance_store_postgresql.batches import CHANGE_ALL, Outcome, Settled, arguments, outcomes, size_of
from appliance_store_postgresql.connecting import Connection
from appliance_store_postgresql.connections import Connections, closed
from appliance_store_postgresql.errors import in_doubt, is_lost
from appliance_store_postgresql.forms import OUTRUN

TOGETHER: Final = 64
"""Commits of one batch at most."""
TOGETHER_BYTES: Final = 8 << 20
PATIENCE: Final = 10.0
"""Seconds for which a batch in doubt waits for the database to come back."""
LOOK_EVERY: Final = 0.2
_REGISTER: Final = """INSERT INTO servers (name, connection, batch, done, refused, seen)
    VALUES ($1, 1, 0, '{}', '{}', clock_timestamp()) RETURNING number"""
_TAKE_OVER: Final = """UPDATE servers SET connection = connection + 1, seen = clock_timestamp() WHERE number = $1
    RETURNING connection, batch, done, refused"""
_FORGET: Final = "DELETE FROM servers WHERE number = $1 OR seen < clock_timestamp() - interval '7 days'"


class Waiting(NamedTuple):
    """A commit that waits."""

    changes: Sequence[Change]
    durable: bool
    done: asyncio.Future[list[int]]


class Writer:
    """`run` it beside; `commit` waits for its turn. `figures` are the store's."""

    def __init__(
        self, connections: Connections, clock: Callable[[], float], limit: int, figures: dict[str, int], name: str
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._limit = limit
        self._figures = figures
        self._name = name
        self._waiting: deque[Waiting] = deque()
        self._there = asyncio.Event()
        self._connection: Connection | None = None
        self._server = 0
        self._of_connection = 0
        self._batch = 0
        self._stopped = False

    async def commit(self, changes: Sequence[Change], *, durable: bool) -> list[int]:
        """As `Store.commit`."""
        if self._stopped:
            raise closed()
        done: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(changes, durable, done))
        self._there.set()
        return await done

    async def run(self) -> None:
        """Until it is cancelled."""
        batch: list[Waiting] = []
        try:
            while True:
                await self._there.wait()
                self._there.clear()
                while batch := self._next():
                    await self._together(batch)
                if self._stopped:
                    return
        finally:
            for each in (*batch, *self._waiting):
                if not each.done.done():
                    each.done.set_exception(closed())
            self._waiting.clear()

    def stop(self) -> None:
        """Take no more, and let `run` end after what waits now."""
        self._stopped = True
        self._there.set()

    async def close(self) -> None:
        """After `run`."""
        if self._connection is not None:
            with suppress(Exception):
                await self._connections.done(self._connection, lambda connection: connection.execute(_FORGET, self._server))
            self._connections.end(self._connection)
            self._connection = None

    def _next(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._waiting and len(batch) < TOGETHER and size < TOGETHER_BYTES:
            one = self._waiting.popleft()
            if not one.done.done():  # cancelled meanwhile
                batch.append(one)
                size += size_of(one.changes)
        return batch

    async def _together(self, batch: list[Waiting]) -> None:
        commits = [each.changes for each in batch]
        found: list[Outcome] | Exception
        try:
            found = outcomes(commits, await self._settled(commits, flush=any(each.durable for each in batch)), self._limit)
        except Exception as error:  # noqa: BLE001  told to whoever waits
            found = self._connections.told(error)
            if len(batch) > 1 and not isinstance(found, StoreAway):
                for one in batch:  # one of them may be what the others failed by
                    await self._together([one])
                return
        if isinstance(found, Exception):
            self._figures["full" if isinstance(found, StoreFull) else "broken"] += len(batch)
            found = [found] * len(batch)  # type: ignore[list-item]
        else:
            self._count(found)
        for each, outcome in zip(batch, found, strict=True):
            if each.done.done():
                continue
            if isinstance(outcome, Exception):
                each.done.set_exception(outcome)
            else:
                each.done.set_result(outcome)

    def _count(self, found: Sequence[Outcome]) -> None:
        full = sum(isinstance(outcome, StoreFull) for outcome in found)
        done = sum(isinstance(outcome, list) for outcome in found)
        self._figures["transactions"] += 1
        self._figures["commits"] += done
        self._figures["conflicts"] += sum(isinstance(outcome, Conflict) for outcome in found)
        self._figures["full"] += full
        if full:
            self._figures["full_now"] = 1
        elif done:
            self._figures["full_now"] = 0

    async def _settled(self, commits: Sequence[Sequence[Change]], *, flush: bool) -> Settled:
        """Have it done, once. Raises StoreAway, and what `Connections.told` knows."""
        parts, kinds, *cells = arguments(commits)
        self._batch += 1
        sent, now = False, asyncio.get_running_loop().time
        until = now() + PATIENCE
        while True:
            try:
                connection, known = await self._ready()
                if known is not None:
                    self._figures["resolved"] += 1
                    return known
                sent = True
                return await self._sent(connection, parts, "".join(kinds), *cells, self._clock(), self._limit, flush)
            except Exception as error:
                if not sent or self._connection is not None:
                    raise
                if now() > until:
                    raise in_doubt(self._connections.where) from error
            await asyncio.sleep(LOOK_EVERY)

    async def _ready(self) -> tuple[Connection, Settled | None]:
        """The connection, and what became of the batch if the one before has brought it there. Raises StoreAway, StoreBroken,
        and asyncpg's errors."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection, None
        self._drop()
        connection = await self._connections.new()
        try:
            row = await self._connections.done(connection, lambda one: one.fetchrow(_TAKE_OVER, self._server))
            if row is None:
                self._server = await self._connections.done(connection, lambda one: one.fetchval(_REGISTER, self._name))
        except BaseException:
            self._connections.end(connection)
            raise
        self._connection = connection
        self._of_connection = 1 if row is None else row["connection"]
        if row is None or row["batch"] != self._batch:
            return connection, None
        return connection, Settled(row["done"], row["refused"])

    async def _sent(self, connection: Connection, *values: Any) -> Settled:
        query = (CHANGE_ALL, self._server, self._of_connection, self._batch, *values)
        try:
            row = await self._connections.done(connection, lambda one: one.fetchrow(*query))
        except Exception as error:
            if is_lost(error) or connection.is_closed() or _outrun(error):
                self._drop()
            raise
        except BaseException:
            self._drop()
            raise
        assert row is not None
        self._figures["bytes"] = row["total"]
        return Settled(row["done"], row["refused"])

    def _drop(self) -> None:
        if self._connection is not None:
            self._connections.end(self._connection)
            self._connection = None


def _outrun(error: Exception) -> bool:
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == OUTRUN

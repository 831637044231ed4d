"""The store in a schema of PostgreSQL: `writer` has the commits, `reading` what is read, and here expired records are swept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Self

from appliance.api.slowest_clock import SlowestClock
from appliance.api.stores import Change, Kept, Record, Rewrite, StoreBroken, Tail, is_name, judge, page
from appliance_store_postgresql.connecting import Connecting
from appliance_store_postgresql.connections import Connections
from appliance_store_postgresql.migrating import migrate
from appliance_store_postgresql.reading import read_record, read_records, read_tail
from appliance_store_postgresql.rewriting import rewrite_piece
from appliance_store_postgresql.settings import PostgresqlSettings
from appliance_store_postgresql.writer import Writer

MOST_WAITING: Final = 256
"""Commits that wait for the writer; further ones wait for these."""
TIDY_EVERY: Final = 1.0
"""Seconds between two looks at what has expired."""
CLOSE_SECONDS: Final = 10.0
PIECE: Final = 200
"""Records that one tidying removes: some milliseconds."""
_SWEEP: Final = "SELECT swept, total FROM sweep_1($1, $2)"
_FIGURES: Final = ("commits", "transactions", "conflicts", "full", "full_now", "broken", "expired", "bytes", "resolved")


class PostgresqlStore:
    """A `RewritableStore`. Made by `open`."""

    def __init__(self, connections: Connections, settings: PostgresqlSettings, clock: Callable[[], float], name: str) -> None:
        self._connections = connections
        self._clock = clock
        self._slowest = SlowestClock()
        self._figures = dict.fromkeys(_FIGURES, 0)
        self._reads = 0
        self._writer = Writer(connections, clock, settings.limit, self._figures, name)
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._closing = False
        self.told: Callable[[str], None] = lambda _: None
        """Hears why the database cannot be reached, and "" when it can again."""
        loop = asyncio.get_running_loop()
        self._writing = loop.create_task(self._writer.run(), name="store: writer")
        self._tidying = loop.create_task(self._tidy(), name="store: tidying")

    @classmethod
    async def open(cls, connecting: Connecting, settings: PostgresqlSettings, *, clock: Callable[[], float], name: str) -> Self:
        """The store of a schema, which is made if it is missing. `clock` gives Unix seconds, `name` is what this server is called
        in the database. Raises StoreAway, StoreBroken."""
        connections = Connections(connecting, settings.connections - 1)
        try:
            connection = await connections.new()
            try:
                await connections.done(connection, lambda one: migrate(one, settings.schema_))
                kept: int = await connections.done(connection, lambda one: one.fetchval("SELECT bytes FROM store"))
            except Exception as error:
                raise connections.told(error) from error
            finally:
                connections.end(connection)
        except BaseException:
            await connections.close()
            raise
        store = cls(connections, settings, clock, name)
        store._figures["bytes"] = kept
        return store

    async def get(self, space: str, key: str) -> Record | None:
        """See the protocol."""
        if not is_name(space) or not is_name(key):
            return None
        self._reads += 1
        return await self._connections.read(lambda one: read_record(one, space, key, self._clock()))

    async def scan(self, space: str, *, prefix: str = "", after: str = "", limit: int = 100) -> list[Record]:
        """See the protocol."""
        if not is_name(space):
            return []
        self._reads += 1
        return await self._connections.read(lambda one: read_records(one, space, prefix, after, page(limit), self._clock()))

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        """See the protocol."""
        judge(changes)
        if not changes:
            return []
        async with self._room:
            return await self._writer.commit(changes, durable=durable)

    async def tail(self, log: str, after: int = 0, limit: int = 100) -> Tail:
        """See the protocol."""
        if not is_name(log):
            return Tail([], 1, 0)
        self._reads += 1
        return await self._connections.read(lambda one: read_tail(one, log, after, page(limit)))

    async def rewrite(self, rewrite: Rewrite, after: str, limit: int) -> str | None:
        """See `RewritableStore`."""
        raised: list[Exception] = []

        def noted(kept: Kept) -> bytes | None:
            try:
                return rewrite(kept)
            except Exception as error:
                raised.append(error)
                raise

        connection = await self._connections.new()
        try:
            return await self._connections.done(connection, lambda one: rewrite_piece(one, noted, after, limit))
        except Exception as error:
            if error in raised:
                raise
            raise self._connections.told(error) from error
        finally:
            self._connections.end(connection)

    def stats(self) -> Mapping[str, int]:
        """Figures: those of the protocol, "transactions", "broken" (refused commits), "full_now", "connections" (how many were
        made), "resolved" (batches whose outcome was asked for after their connection broke), and "away" (1: it is now)."""
        own = {"reads": self._reads, "connections": self._connections.made, "away": int(bool(self._connections.trouble))}
        return {**self._figures, **own}

    async def close(self) -> None:
        """End after what waits now. Safe to call twice."""
        if not self._closing:
            self._closing = True
            self._tidying.cancel()
            self._writer.stop()
        await asyncio.wait([self._writing, self._tidying], timeout=CLOSE_SECONDS)
        self._writing.cancel()
        await self._writer.close()
        await self._connections.close()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_EVERY)
            now = self._clock()
            certain = self._slowest.read(now, asyncio.get_running_loop().time())
            until = now if self._figures["full_now"] else certain
            try:
                found = PIECE
                while found == PIECE:
                    row = await self._connections.read(lambda one: one.fetchrow(_SWEEP, until, PIECE))  # noqa: B023
                    assert row is not None
                    found, self._figures["bytes"] = row["swept"], row["total"]
                    self._figures["expired"] += found
            except StoreBroken:  # the next commit tells
                pass
            self.told(self._connections.trouble)

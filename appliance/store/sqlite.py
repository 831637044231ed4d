"""The store in a file: SQLite with a write-ahead log, one thread that writes and one that reads.

Readers never wait for the writer, nor the writer for them. `writer` has the transactions, `copier` the last good copy, and
`folder` the files.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

from appliance.api.stores import LIMIT_BYTES, Change, Record, Rewrite, StoreBroken, Tail, is_name, judge, page
from appliance.foundation.clock import monotonic
from appliance.store import copies, transaction
from appliance.store.copier import COPY_EVERY, Copier
from appliance.store.folder import Folder
from appliance.store.rewriting import rewrite_piece
from appliance.store.schema import APPLICATION_ID, STEPS, Step, migrate, version_of
from appliance.store.sqlite_errors import as_told, is_damage, not_writable
from appliance.store.writer import Writer, new_figures

MOST_WAITING: Final = 256
"""Commits that wait for the writer; further ones wait for these."""
WAL_BYTES: Final = 4 << 20
"""What the write-ahead log is cut to when it was emptied."""
Answer = TypeVar("Answer")


class SqliteStore:
    """A `Store` in a folder of its own. Made by `open`."""

    def __init__(
        self, folder: Folder, clock: Callable[[], float], elapsed: Callable[[], float], reader: ThreadPoolExecutor
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._elapsed = elapsed
        self._reader = reader
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._reads = 0
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], float],
        elapsed: Callable[[], float] = monotonic,
        limit: int = LIMIT_BYTES,
        copy_every: float = COPY_EVERY,
        steps: Sequence[Step] = STEPS,
    ) -> Self:
        """The store of a folder, which is made if it is missing. `clock` gives Unix seconds and `elapsed` those of a clock
        that nobody sets, `limit` is in bytes, `steps` are the versions that are known.

        A damaged store is replaced by its last good copy. Raises StoreInUse, StoreBroken, StoreFull.
        """
        reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        store = cls(Folder(folder), clock, elapsed, reader)
        try:
            await asyncio.get_running_loop().run_in_executor(reader, store._begin, limit, copy_every, steps)
        except BaseException:
            reader.shutdown(wait=False)
            raise
        return store

    async def get(self, space: str, key: str) -> Record | None:
        """See the protocol."""
        if not is_name(space) or not is_name(key):
            return None
        return await self._read(lambda: transaction.read_record(self._connection, space, key, self._clock()))

    async def scan(self, space: str, *, prefix: str = "", after: str = "", limit: int = 100) -> list[Record]:
        """See the protocol."""
        if not is_name(space):
            return []
        first, behind = prefix.encode(errors="surrogatepass"), after.encode(errors="surrogatepass")
        return await self._read(
            lambda: transaction.read_records(self._connection, space, first, behind, page(limit), self._clock())
        )

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        """See the protocol."""
        judge(changes)
        return await self._write(lambda connection: transaction.change_all(connection, changes, self._clock()), durable=durable)

    async def tail(self, log: str, after: int = 0, limit: int = 100) -> Tail:
        """See the protocol."""
        if not is_name(log):
            return Tail([], 1, 0)
        cursor = max(0, min(after, 1 << 62))
        return await self._read(lambda: transaction.read_tail(self._connection, log, cursor, page(limit)))

    async def rewrite(self, rewrite: Rewrite, after: str, limit: int) -> str | None:
        """See `RewritableStore`. Not flushed by itself: the next durable commit does that."""
        return await self._write(lambda connection: rewrite_piece(connection, rewrite, after, limit), durable=False)

    def stats(self) -> Mapping[str, int]:
        """Figures of the store: those of its writer and its copier, and "reads", "restored" (1: the last good copy came back)."""
        return {**self._figures, **self._copier.figures, "reads": self._reads, "restored": int(self._restored)}

    async def copy(self) -> None:
        """Make the last good copy anew, now. Raises StoreBroken, StoreFull, OSError."""
        await asyncio.wrap_future(self._copier.copy())

    async def close(self) -> None:
        """End after what waits now. Safe to call twice."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().run_in_executor(self._reader, self._end)
        await asyncio.shield(self._closing)
        self._reader.shutdown(wait=False)

    async def _read(self, deed: Callable[[], Answer]) -> Answer:
        if self._closing is not None:
            raise _closed()
        self._reads += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, deed)
        except sqlite3.Error as error:
            if is_damage(error):
                self._writer.found_damage(str(error))
            raise as_told(error, self._folder.main) from error

    async def _write(self, deed: Callable[[sqlite3.Connection], Answer], *, durable: bool = True) -> Answer:
        async with self._room:
            if self._closing is not None:
                raise _closed()
            answer: Answer = await asyncio.wrap_future(self._writer.do(deed, durable=durable))
            return answer

    def _begin(self, limit: int, copy_every: float, steps: Sequence[Step]) -> None:
        lock = self._folder.lock()
        try:
            self._folder.remove_parts()
            self._restored = copies.mend(self._folder)
            self._folder.make_main()
            if not os.access(self._folder.main, os.W_OK):
                raise not_writable(self._folder.main, "the file is read-only")
            writing = _for_writing(self._folder.main, limit, steps)
            self._connection = copies.connect(self._folder.main, read_only=True)
        except sqlite3.Error as error:
            os.close(lock)
            raise as_told(error, self._folder.main) from error
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        self._figures = new_figures()
        self._writer = Writer(writing, self._folder.main, self._clock, self._elapsed, self._figures)
        self._copier = Copier(self._folder, self._clock, lambda: self._figures["commits"], self._writer.found_damage, copy_every)
        self._writer.tidied = self._copier.look
        self._writer.start()

    def _end(self) -> None:
        self._copier.close()
        self._connection.close()
        self._writer.stop()  # the last to close the file empties the write-ahead log into it, if it may write
        self._writer.join()
        os.close(self._lock)


def _for_writing(path: Path, limit: int, steps: Sequence[Step]) -> sqlite3.Connection:
    """A connection to a file that is a store of this version afterwards. Raises StoreBroken, sqlite3.Error."""
    connection = copies.connect(path)
    try:
        if version_of(connection) == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        connection.execute("PRAGMA secure_delete = FAST")  # what was deleted is zeros where that costs no write of its own
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {max(limit // page_bytes, 1)}")
        migrate(connection, steps)
    except BaseException:
        connection.close()
        raise
    return connection


def _closed() -> StoreBroken:
    return StoreBroken("the store is closed", hint="open it again")

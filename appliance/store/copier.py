"""Makes the last good copy anew from time to time, in a thread that only reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from appliance.api.stores import StoreBroken, StoreDamaged
from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger
from appliance.store import copies
from appliance.store.folder import Folder

COPY_EVERY: Final = 3600.0
"""Seconds between two copies of a store that was written to."""
log = get_logger("store")


class Copier:
    """The copies of one store. `changed` says how often it was written to so far; `damaged` is told what is wrong with it."""

    def __init__(
        self,
        folder: Folder,
        clock: Callable[[], float],
        changed: Callable[[], int],
        damaged: Callable[[str], None],
        every: float = COPY_EVERY,
    ) -> None:
        self._damaged = damaged
        self._folder = folder
        self._clock = clock
        self._changed = changed
        self._every = every
        self._tried_at: float | None = None
        self._copied = -1
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-copier")
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self.figures = dict.fromkeys(("copies", "copies_failed", "copied_at"), 0)
        """`copied_at` is in Unix seconds."""

    def look(self) -> None:
        """Begin a copy if it is time and there is something new. Called from the writer's thread, again and again."""
        now = self._clock()
        due = self._tried_at is None or abs(now - self._tried_at) >= self._every  # a clock may go back
        if due and not self._closed and self._changed() != self._copied:
            self._tried_at = now
            with suppress(RuntimeError):  # it has just been closed
                self._thread.submit(self._copy_aside)

    def copy(self) -> Future[None]:
        """Copy now. The future raises StoreBroken, StoreFull, OSError."""
        return self._thread.submit(self._copy)

    def close(self) -> None:
        """End, in the middle of a copy too: the last one stays then."""
        self._closed = True
        if (connection := self._connection) is not None:
            with suppress(sqlite3.ProgrammingError):  # it has just been closed
                connection.interrupt()
        self._thread.shutdown()

    def _copy(self) -> None:
        changed = self._changed()
        try:
            copies.copy(self._folder, self._opened)
        except StoreDamaged as error:
            self._damaged(error.message)
            raise
        finally:
            self._connection = None
        self._copied = changed
        self.figures["copies"] += 1
        self.figures["copied_at"] = int(self._clock())

    def _opened(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        if self._closed:
            raise StoreBroken("the store is closed", hint="open it again")

    def _copy_aside(self) -> None:
        try:
            self._copy()
        except (ApplianceError, OSError) as error:
            if not self._closed:
                self.figures["copies_failed"] += 1
                log.warning("no copy of the store could be made; the last one stays", path=str(self._folder.good), why=str(error))

"""The one thread that writes a store in SQLite: commits that wait together become one transaction, each still all or nothing.

A durable transaction costs a flush of the disk, whether one commit is in it or fifty. Between transactions the thread tidies up:
expired records go in small pieces, and so do free pages. Readers do not find what has expired by the wall clock; it is removed
when that is certain (`SlowestClock`), or when the store is full.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.api.slowest_clock import SlowestClock
from appliance.api.stores import Conflict, StoreFull
from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger
from appliance.store.sqlite_errors import as_told, damaged, is_damage
from appliance.store.transaction import sweep

TOGETHER: Final = 64
"""Commits of one transaction at most: the first one waits for the last one's statements."""
TIDY_EVERY: Final = 1.0
"""Seconds between two looks at what has expired, by the store's clock, and for how long the thread waits for commits."""
PIECE: Final = 200
"""Records that one tidying removes, and pages it gives back: some milliseconds."""
FREE_PAGES: Final = 256
"""So many may stay free: they will be used again."""
_FIGURES: Final = (
    "commits", "transactions", "conflicts", "full", "full_now", "broken", "broken_now", "damaged", "expired", "bytes",
)  # fmt: skip

Deed = Callable[[sqlite3.Connection], Any]
log = get_logger("store")


def new_figures() -> dict[str, int]:
    """What a writer counts, from zero. `full` and `broken` are refused commits; `full_now` is 1 from the first that found no room
    to the next that found some, `broken_now` the same of those that failed otherwise; `damaged` is 1 once the file is wrong."""
    return dict.fromkeys(_FIGURES, 0)


class Job(NamedTuple):
    """A commit that waits."""

    deed: Deed
    durable: bool
    done: Future[Any]


class Writer(threading.Thread):
    """Owns `connection` from `start` on, and closes it at its end. `path` is the file."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        clock: Callable[[], float],
        elapsed: Callable[[], float],
        figures: dict[str, int],
    ) -> None:
        super().__init__(name="store-writer", daemon=True)
        self._connection = connection
        self._path = path
        self._clock = clock
        self._elapsed = elapsed
        self._slowest = SlowestClock()
        self._figures = figures
        self.tidied: Callable[[], None] = lambda: None
        """Called again and again in the thread, when there is time."""
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._damage = ""
        self._inode = path.stat().st_ino
        self._page_bytes = self._pragma("page_size")
        self._synchronous = ""
        self._last_tidied = clock()

    def do(self, deed: Deed, *, durable: bool = True) -> Future[Any]:
        """Run `deed` within a transaction, soon. If it raises, what it did is taken back, and the future raises the same."""
        done: Future[Any] = Future()
        self._jobs.put(Job(deed, durable, done))
        return done

    def stop(self) -> None:
        """End after what waits now."""
        self._jobs.put(None)

    def found_damage(self, why: str) -> None:
        """The file is wrong: write nothing any more, and say so once."""
        if not self._damage:
            self._damage = why
            self._figures["damaged"] = 1
            log.error("the store is damaged: nothing is written any more", path=str(self._path), why=self._damage)

    def run(self) -> None:
        """The thread."""
        try:
            while (jobs := self._next()) is not None:
                if jobs:
                    self._together(jobs)
                self._tidy()
        finally:
            self._connection.close()

    def _next(self) -> list[Job] | None:
        """What waits; nothing after a while without; None at the end."""
        jobs: list[Job] = []
        try:
            job = self._jobs.get(timeout=TIDY_EVERY)
            while job is not None:
                if job.done.set_running_or_notify_cancel():
                    jobs.append(job)
                if len(jobs) == TOGETHER:
                    return jobs
                job = self._jobs.get_nowait()
        except queue.Empty:
            return jobs
        if jobs:
            self._jobs.put(None)  # the end comes after these
        return jobs or None

    def _together(self, jobs: list[Job]) -> None:
        try:
            outcomes = self._transaction(jobs)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            if len(jobs) > 1 and not is_damage(error):
                for job in jobs:  # one of them may be what the others failed by
                    self._together([job])
                return
            outcomes = [self._refused(error) for _ in jobs]
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                job.done.set_exception(outcome)
            else:
                job.done.set_result(outcome)

    def _transaction(self, jobs: list[Job]) -> list[Any]:
        if self._damage:
            return [self._counted(damaged(self._path, self._damage)) for _ in jobs]
        self._flush_at_commit(any(job.durable for job in jobs))
        self._connection.execute("BEGIN IMMEDIATE")
        outcomes = [self._part(job) for job in jobs]
        self._connection.execute("COMMIT")
        self._figures["bytes"] = self._pragma("page_count") * self._page_bytes
        done = sum(not isinstance(outcome, BaseException) for outcome in outcomes)
        self._figures["transactions"] += 1
        self._figures["commits"] += done
        self._figures["conflicts"] += sum(isinstance(outcome, Conflict) for outcome in outcomes)
        if done and (self._figures["full_now"] or self._figures["broken_now"]):
            self._figures["full_now"] = self._figures["broken_now"] = 0
            log.info("the store is written again", path=str(self._path))
        return outcomes

    def _part(self, job: Job) -> Any:
        self._connection.execute("SAVEPOINT part")
        try:
            outcome = job.deed(self._connection)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001  raised again where the job came from
            self._connection.execute("ROLLBACK TO part")
            outcome = error
        self._connection.execute("RELEASE part")
        return outcome

    def _flush_at_commit(self, durable: bool) -> None:
        wanted = "FULL" if durable else "NORMAL"
        if wanted != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted

    def _refused(self, error: sqlite3.Error) -> ApplianceError:
        if is_damage(error):
            self.found_damage(str(error))
        return self._counted(as_told(error, self._path))

    def _counted(self, told: ApplianceError) -> ApplianceError:
        if not isinstance(told, StoreFull):
            self._figures["broken"] += 1
            if not self._figures["broken_now"]:
                self._figures["broken_now"] = 1
                log.error("the store cannot be written", reason=told.message, hint=told.hint)
            return told
        self._figures["full"] += 1
        if not self._figures["full_now"]:
            self._figures["full_now"] = 1
            log.warning("the store is full: nothing is written now", path=str(self._path), bytes=self._figures["bytes"])
        return told

    def _tidy(self) -> None:
        if self._damage:
            return
        try:
            self._tidy_a_piece(self._clock())
        except sqlite3.Error as error:  # a full disk, for example: the next commit tells
            if is_damage(error):
                self.found_damage(str(error))
        self.tidied()

    def _tidy_a_piece(self, now: float) -> None:
        if abs(now - self._last_tidied) < TIDY_EVERY:  # a clock may go back
            return
        if self._is_replaced():
            self.found_damage("the file was removed, or another one has its place")
            return
        self._flush_at_commit(durable=False)
        certain = self._slowest.read(now, self._elapsed())
        found = sweep(self._connection, now if self._figures["full_now"] else certain, PIECE)
        self._figures["expired"] += found
        if found < PIECE:  # otherwise there is more
            self._last_tidied = now
        if self._pragma("freelist_count") > max(FREE_PAGES, self._pragma("page_count") // 4):
            self._connection.executescript(f"PRAGMA incremental_vacuum({PIECE})")  # `execute` takes one step: one page

    def _is_replaced(self) -> bool:
        try:
            return self._path.stat().st_ino != self._inode
        except OSError:
            return True

    def _pragma(self, word: str) -> int:
        number: int = self._connection.execute(f"PRAGMA {word}").fetchone()[0]
        return number

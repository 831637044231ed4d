"""The audit log of a running node: what is noted is in the log within a second, what is recorded is on the disk first.

Entries of one moment are written together, in a thread: a disk that is slow holds up who waits for it, and nobody else. While
nothing can be written, entries wait in memory; of those that come on top of `MOST_WAITING` an entry tells how many were lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock
from appliance.foundation.aside import Aside, Busy
from appliance.foundation.logging import get_logger
from appliance.foundation.patience import TookTooLong
from appliance.foundation.tasks import Tasks
from appliance.management.audit.entry import Entry, Outcome
from appliance.management.audit.head import Head
from appliance.management.audit.repeats import Repeats
from appliance.runtime.audit.segment_writer import SegmentWriter, Stamped

log = get_logger("audit")
Result = TypeVar("Result")

TOGETHER_SECONDS: Final = 1.0
"""So long an entry that nobody waits for may wait for others."""
DISK_SECONDS: Final = 10.0
"""How long the disk may take until it counts as one that takes nothing."""
AGAIN_SECONDS: Final = 1.0
"""Between two attempts to write, while it fails."""
MOST_WAITING: Final = 4096
"""Entries in memory; those that come on top are lost, and counted."""
LOOK_EVERY: Final = 3600.0
"""Seconds between two looks whether old segments are to go."""


class NotRecorded(ApplianceError):
    """The audit log takes nothing at the moment, so nothing is done that would have to be in it."""

    exit_code = ExitCode.RETRY
    retryable = True


class _Waiting(NamedTuple):
    entry: Stamped
    recorded: asyncio.Future[None] | None
    """None: nobody waits for it."""


class AuditLog:
    """`counted`: entries "written" and "lost", and writes that "failed"."""

    def __init__(
        self,
        writer: SegmentWriter,
        wall: Callable[[], float] = clock.wall,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self.writer = writer
        self.counted: Counter[str] = Counter()
        self._wall = wall
        self._monotonic = monotonic
        self._repeats = Repeats(monotonic())
        self._repeating: asyncio.TimerHandle | None = None
        self._waiting: list[_Waiting] = []
        self._some = asyncio.Event()
        self._urgent = asyncio.Event()
        self._thread = Aside("audit log", 1)
        self._turn = asyncio.Lock()
        self._old = asyncio.Event()
        self._failed_at = float("-inf")
        self._failure = ""
        self._untold = 0
        self._tasks = Tasks()
        self._closing = False

    @property
    def problem(self) -> str:
        """What is wrong with the log; "" if nothing is."""
        if self._failure:
            waiting, lost = len(self._waiting), self.counted["lost"]
            return f"the audit log takes nothing ({self._failure}); entries that wait: {waiting}, that are lost: {lost}"
        return f"the audit log was changed or damaged: {self.writer.damage}" if self.writer.damage else ""

    async def open(self) -> None:
        """Take up what is there."""
        try:
            await self._on_disk(lambda: self.writer.open(self._wall()))
        except (OSError, TookTooLong, Busy) as error:
            self._fail(error, [])
        self._tasks.spawn(self._write_for_ever(), "write the audit log")
        self._tasks.spawn(self._remove_old(), "remove old segments of the audit log")

    async def close(self) -> None:
        """Everything that was noted is on the disk when this returns, if the disk takes it."""
        if self._repeating is not None:
            self._repeating.cancel()
        for entry in self._repeats.all():
            self.note(entry)
        self._closing = True
        await self._tasks.close()
        await self._write_waiting()
        with suppress(TookTooLong, Busy):
            await self._on_disk(self.writer.close)

    async def head(self) -> Head | None:
        """The log as it is on the disk, with all that was noted until now. None: there is none."""
        await self.flush()
        return await self._on_disk(lambda: self.writer.head(self._wall()))

    # ---- what comes ----

    def note(self, entry: Entry) -> None:
        """It is in the log soon. Never waits, never raises."""
        self._add(_Waiting(Stamped(entry, self._wall()), None))

    def note_repeating(self, entry: Entry) -> None:
        """The same of something that may come often: repetitions are one entry, a minute later."""
        told = self._repeats.note(entry, self._monotonic())
        if told is not None:
            self.note(told)
        if self._repeating is None and (due := self._repeats.next_due) is not None:
            delay = max(0.0, due - self._monotonic())
            self._repeating = asyncio.get_running_loop().call_later(delay, self._tell_repeated)

    async def record(self, entry: Entry) -> None:
        """It is on the disk when this returns. Raises NotRecorded; it is in the log later then, if there is room for it again."""
        if self._closing or (self._failure and self._monotonic() - self._failed_at < AGAIN_SECONDS):
            self.note(entry)
            raise self._not_recorded()
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._add(_Waiting(Stamped(entry, self._wall()), recorded)):
            raise self._not_recorded()
        self._urgent.set()
        await recorded

    async def flush(self) -> None:
        """What was noted until now is on the disk when this returns, if that takes it."""
        if self._waiting:
            last = self._waiting[-1]
            recorded = last.recorded or asyncio.get_running_loop().create_future()
            self._waiting[-1] = last._replace(recorded=recorded)
            self._urgent.set()
            await asyncio.wait([recorded])
            if not recorded.cancelled():
                recorded.exception()  # is looked at, or asyncio complains
        async with self._turn:  # what was being written already
            pass

    # ---- what goes ----

    def _add(self, waiting: _Waiting) -> bool:
        if len(self._waiting) >= MOST_WAITING:
            self.counted["lost"] += 1
            self._untold += 1
            return False
        self._waiting.append(waiting)
        self._some.set()
        return True

    def _tell_repeated(self) -> None:
        self._repeating = None
        for entry in self._repeats.due(self._monotonic()):
            self.note(entry)
        if (due := self._repeats.next_due) is not None:
            delay = max(0.0, due - self._monotonic())
            self._repeating = asyncio.get_running_loop().call_later(delay, self._tell_repeated)

    async def _write_for_ever(self) -> None:
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS if self._failure else TOGETHER_SECONDS):
                    await self._urgent.wait()
            await asyncio.shield(self._write_waiting())

    async def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._some.clear()
        self._urgent.clear()
        if not waiting:
            return
        entries, wall = [each.entry for each in waiting], self._wall()
        if self._untold:
            entries.insert(0, Stamped(Entry("log.lost", Outcome.FAILED, times=self._untold), wall))
        try:
            begun = await self._on_disk(lambda: self.writer.append(entries, wall))
        except Exception as error:  # noqa: BLE001  whatever it is, who waits must hear of it, and the next may work
            self._fail(error, waiting)
        else:
            self._untold -= entries[0].entry.times if len(entries) > len(waiting) else 0
            self._done(waiting)
            if begun:
                self._old.set()

    def _done(self, waiting: Sequence[_Waiting]) -> None:
        if self._failure:
            log.warning("the audit log takes entries again", lost=self.counted["lost"])
        self._failure = ""
        self.counted["written"] += len(waiting)
        for each in waiting:
            if each.recorded is not None and not each.recorded.done():
                each.recorded.set_result(None)

    def _fail(self, error: Exception, waiting: Sequence[_Waiting]) -> None:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        if not self._failure:
            log.error("the audit log takes nothing", reason=reason, hint="make room where it is, or mend the disk")
        self._failure, self._failed_at = reason, self._monotonic()
        self.counted["failed"] += 1
        later, self._waiting = self._waiting, []
        for each in waiting:
            if each.recorded is not None and not each.recorded.done():
                each.recorded.set_exception(self._not_recorded())
            self._add(each._replace(recorded=None))
        for each in later:
            self._add(each)

    def _not_recorded(self) -> NotRecorded:
        return NotRecorded(
            f"this cannot be recorded in the audit log ({self._failure or 'too much at once'}), so it is not done",
            hint="make room for the audit log; `appliance health` says what is wrong with it",
        )

    async def _remove_old(self) -> None:
        while True:
            self._old.clear()
            try:
                if await self._on_disk(lambda: self.writer.remove_old(self._wall())):
                    log.info("old segments of the audit log were removed")
            except (OSError, TookTooLong, Busy) as error:
                log.warning("old segments of the audit log stay", reason=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._old.wait()

    async def _on_disk(self, deed: Callable[[], Result]) -> Result:
        """In the thread. Raises what it raises; TookTooLong, Busy."""
        async with self._turn:
            return await self._thread.run(deed, DISK_SECONDS)

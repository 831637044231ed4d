"""An execution under way, as those see it who follow it and those who want to end it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from appliance.api.stores import Change, Conflict, StoreAway, StoreFull
from appliance.api_server.jobs.event_log import EventLog
from appliance.api_server.jobs.following import Behind, Signal
from appliance.api_server.jobs.records import Records
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import beside
from appliance.management.jobs.events import Ring
from appliance.management.jobs.execution import Execution, ExecutionOver, ExecutionUnknown, Limits, State
from appliance.management.jobs.output import Output, Written, line

log = get_logger("jobs")

RING_EVENTS: Final = 200
RING_BYTES: Final = 64 * 1024
TRY_AGAIN: Final = 1.0
"""Seconds between two tries while the store is full."""

T = TypeVar("T")


class Stopped(Exception):
    """The execution is to end: `Live.stopped` says why."""


class Live:
    """One execution: its state, its stream, and whether it is to stop. `save` keeps and shows what changed, together."""

    def __init__(
        self,
        execution: Execution,
        version: int,
        records: Records,
        log_of_events: EventLog,
        limits: Limits,
        now: Callable[[], str],
        last: int = 0,
    ) -> None:
        """`last`: the largest id that its stream has in the store."""
        self.execution = execution
        self._version = version
        self._records = records
        self._events = log_of_events
        self.now = now
        self._output = Output(limits, last)
        self._ring = Ring(last, RING_EVENTS, RING_BYTES)
        self._signal = Signal()
        self.ended = False
        """Nothing more will be said."""
        self.stopped = ""
        """Why it is to end: "cancelled" or "timed-out"; "" while it is not."""
        self._stop = asyncio.Event()
        self._saving = asyncio.Lock()
        self._unwritten: Written | None = None
        self._said: State | None = execution.state if version else None
        self._told: State | None = self._said
        """The state that its stream, and the log of events, has last."""

    # ---- for those who follow it ----

    @property
    def ring(self) -> Ring:
        """The newest events of its stream."""
        return self._ring

    @property
    def signal(self) -> Signal:
        """Rings when there are more."""
        return self._signal

    async def behind(self, after: int, limit: int) -> Behind:
        """What the store has of its stream."""
        return await self._records.behind(self.execution.id, after, limit)

    # ---- for who runs it ----

    def say(self, kind: str, data: Mapping[str, Any]) -> None:
        """Something for its stream. It is shown with the next `save`."""
        self._output.add(kind, self.now(), data)

    def say_line(self, step: str, text: str) -> None:
        """A line of output."""
        self.say("output", {"step": step, "line": line(text)})

    async def begin(self, *changes: Change) -> None:
        """Keep it for the first time, with `changes`. Raises Conflict, StoreFull, StoreBroken; then nothing is kept."""
        self._say_state()
        written = self._output.take()
        news = self._events.change(f"jobs.{self.execution.state}", self.execution.summary())
        self._version = await self._records.save(self.execution, 0, written, news, *changes)
        self._kept(written, self.execution.state)

    async def save(self, execution: Execution | None = None) -> None:
        """Keep the execution as it is now, with what it said; then show it. Waits while the store is full or away. Raises
        StoreBroken;
        ExecutionUnknown or ExecutionOver if somebody else ended it."""
        if execution is not None:
            self.execution = execution
        if self.execution.state is not self._said:
            self._say_state()
        async with self._saving:
            await self._commit()
            while self._output.pending:
                await self._commit()

    def end(self) -> None:
        """Nothing more will be said."""
        self.ended = True
        self._signal.wake()

    def stop(self, why: str) -> None:
        """It is to end at the next place where it can."""
        self.stopped = self.stopped or why
        self._stop.set()

    async def cancel(self) -> None:
        """Somebody wants it to end. Raises what `save` raises."""
        self.stop("cancelled")
        if self.execution.state is State.RUNNING:
            await self.save(self.execution.moved(State.CANCELLING, self.now()))

    async def look(self) -> None:
        """Has another API server cancelled or ended it? Raises StoreBroken."""
        async with self._saving:
            try:
                if (await self._records.get(self.execution.id)).version == self._version:
                    return
                await self._read_again()
            except (ExecutionOver, ExecutionUnknown):
                self.stop("cancelled")
                return
        await self.save()

    def check(self) -> None:
        """Raises Stopped if it is to end."""
        if self.stopped:
            raise Stopped

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns. Raises Stopped, and cancels it, if the execution is to end before."""
        if self.stopped:
            work.close()
            raise Stopped
        results: list[T] = []

        async def working() -> None:
            results.append(await work)

        await beside([working(), self._stopping()])
        if not results:
            raise Stopped
        return results[0]

    async def sleep(self, seconds: float) -> None:
        """Let time pass. Raises Stopped."""
        self.check()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        self.check()

    async def _stopping(self) -> None:
        await self._stop.wait()

    # ---- keeping ----

    async def _commit(self) -> None:
        self._unwritten = self._unwritten or self._output.take()  # cancelled half way, the next commit has the same once more
        while True:
            execution = self.execution
            news = [] if execution.state is self._told else [self._events.change(f"jobs.{execution.state}", execution.summary())]
            try:
                self._version = await self._records.save(execution, self._version, self._unwritten, *news)
                break
            except (StoreFull, StoreAway) as error:
                log.warning("an execution waits for the store", execution=execution.id, reason=error.message)
                await asyncio.sleep(TRY_AGAIN)
            except Conflict:
                if await self._read_again():
                    break
        written, self._unwritten = self._unwritten, None
        self._kept(written, execution.state)

    def _kept(self, written: Written | None, state: State) -> None:
        if state is not self._told:
            self._told = state
            self._events.committed()
        if written is not None:
            self._ring.add(written.chunk.events)
            self._signal.wake()

    def _say_state(self) -> None:
        self._said = self.execution.state
        self.say("state", {"state": str(self.execution.state), "error": self.execution.error})

    async def _read_again(self) -> bool:
        """Is what was to be kept there already, by a commit whose answer was lost? Otherwise another API server wrote it: it can
        only have cancelled it."""
        stored, self._version = await self._records.get(self.execution.id)
        if json.dumps(stored.document(), default=str) == json.dumps(self.execution.document(), default=str):
            return True
        if stored.state.over:
            raise ExecutionOver(f"execution {stored.id} is {stored.state} already")
        if stored.state is State.CANCELLING and self.execution.state is State.RUNNING:
            self.stop("cancelled")
            self.execution = self.execution.moved(State.CANCELLING, self.now())
        return False

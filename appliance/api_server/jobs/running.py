"""Runs one execution: its steps in their order, and what comes after one that failed.

A step that changes something is never left half way: who cancels, and the time limit, wait for its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from appliance.api_server.jobs.live import Live, Stopped
from appliance.errors import ApplianceError, place_of
from appliance.foundation.logging import get_logger
from appliance.management.jobs.checks import Operations
from appliance.management.jobs.dry_run import Deed, FilledStep
from appliance.management.jobs.execution import State, StepState, bounded, bounded_error, failure
from appliance.management.jobs.expecting import differs
from appliance.management.jobs.filling import hide

log = get_logger("jobs")

ASK_EVERY: Final = 1.0
"""Seconds between two questions of a step that waits for an answer."""
LAST_SECONDS: Final = 2.0
"""How long an execution may take to say that it was interrupted, when the API server ends."""


class NotAsExpected(ApplianceError):
    """A step's answer was not what the template expects of it."""


class OperationFailed(ApplianceError):
    """An operation failed in a way that nobody foresaw."""


Asked = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Asks for an operation with arguments, for the user of the execution. Raises ApplianceError."""
Error = Mapping[str, Any]


class Running:
    """The steps of one execution. `timeout` is in seconds."""

    def __init__(
        self,
        live: Live,
        steps: Sequence[FilledStep],
        timeout: float,
        operations: Operations,
        ask: Asked,
        take_back: Asked,
        secrets: Sequence[str],
    ) -> None:
        """`take_back` asks for what undoes a step."""
        self._live = live
        self._steps = steps
        self._timeout = timeout
        self._operations = operations
        self._ask = ask
        self._take_back = take_back
        self._nothing_left = False
        self._secrets = secrets

    async def run(self) -> None:
        """To its end. Cancelled, it says that it was interrupted."""
        live = self._live
        alarm = asyncio.get_running_loop().call_later(self._timeout, live.stop, "timed-out")
        try:
            await live.save(live.execution.moved(State.RUNNING, live.now()))
            await self._end(await self._work())
        except asyncio.CancelledError:
            if not live.execution.state.over:
                with suppress(TimeoutError):  # with a full store the next start says it
                    async with asyncio.timeout(LAST_SECONDS):
                        await live.save(live.execution.interrupted(live.now(), "the API server was stopped while it ran"))
            raise
        finally:
            alarm.cancel()

    async def _work(self) -> Error | None:
        """Why it failed; None if it did not, or was cancelled."""
        for index, step in enumerate(self._steps):
            error = await self._step(index, step)
            if self._nothing_left:
                return None
            if error is None:
                continue
            if step.on_failure == "undo":
                await self._undo(index)
            if step.on_failure != "continue" or self._live.stopped:
                return error
        return None

    async def _end(self, error: Error | None) -> None:
        live = self._live
        state = State.SUCCEEDED
        if error is not None:
            state = State.CANCELLED if live.stopped == "cancelled" else State.FAILED
        await live.save(live.execution.ended_as(state, live.now(), error))

    # ---- one step ----

    async def _step(self, index: int, step: FilledStep) -> Error | None:
        live = self._live
        try:
            await live.sleep(step.pause) if step.pause else live.check()
            await self._changed(index, StepState.RUNNING, began=live.now())
            answer = await self._answer(step)
        except Stopped:
            error = self._stopped()
        except ApplianceError as raised:
            error = self._told_error(raised)
        else:
            result, size = bounded(hide(answer, self._secrets))
            await self._changed(index, StepState.DONE, ended=live.now(), result=result, result_bytes=size)
            self._nothing_left = bool(step.end_if) and not differs(step.end_if, answer)
            return None
        began = live.execution.steps[index].state is StepState.RUNNING
        await self._changed(index, StepState.FAILED if began else StepState.SKIPPED, ended=live.now(), error=error)
        return error

    async def _answer(self, step: FilledStep) -> Any:
        """The answer, once it is as expected. Raises ApplianceError, Stopped."""
        now = asyncio.get_running_loop().time
        until = now() + step.within
        why = ""
        while True:
            try:
                answer = await self._asked(step.deed)
                said = differs(step.expect, answer) if step.expect else ""
                if not said:
                    return answer
                raise NotAsExpected(hide(said, self._secrets), hint="look at the node, or at what the step expects")
            except ApplianceError as error:
                if now() >= until:
                    raise
                if error.message != why:
                    why = error.message
                    self._live.say_line(step.name, f"not yet: {hide(why, self._secrets)}")
                    await self._live.save()
            await self._live.sleep(ASK_EVERY)

    async def _asked(self, deed: Deed) -> Any:
        work = self._told(deed, self._ask)
        return await (work if self._operations[deed.operation].changes else self._live.unless_stopped(work))

    async def _told(self, deed: Deed, ask: Asked) -> Any:
        try:
            return await ask(deed.operation, deed.arguments)
        except ApplianceError:
            raise
        except Exception as error:
            log.exception("an operation failed", operation=deed.operation)
            raise OperationFailed(f"{deed.operation} failed: {place_of(error)}", hint="report it, with the log") from error

    # ---- afterwards ----

    async def _undo(self, index: int) -> None:
        """Take back the steps before this one, the last first. Nothing stops it."""
        for number in range(index - 1, -1, -1):
            step, record = self._steps[number], self._live.execution.steps[number]
            if step.undo is None or record.state is not StepState.DONE:
                continue
            try:
                await self._told(step.undo, self._take_back)
            except ApplianceError as error:
                await self._changed(number, StepState.UNDO_FAILED, error=self._told_error(error))
            else:
                await self._changed(number, StepState.UNDONE)

    def _told_error(self, error: ApplianceError) -> Error:
        return bounded_error(hide(error.document(), self._secrets))

    def _stopped(self) -> Error:
        if self._live.stopped == "cancelled":
            return failure("cancelled", "it was cancelled")
        return failure("timed-out", f"it took longer than {self._timeout:g} seconds", "raise the template's timeout")

    async def _changed(self, index: int, state: StepState, **changes: Any) -> None:
        live = self._live
        execution = live.execution.with_step(index, state=state, **changes)
        step = execution.steps[index]
        live.say("step", {"step": step.name, "operation": step.operation, "state": str(state), "error": step.error})
        await live.save(execution)

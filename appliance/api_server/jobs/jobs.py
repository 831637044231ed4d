"""Templates as jobs: who asks for one learns at once what is wrong with the question; what comes later is the execution's.

start ─ judged ─ kept as queued ─▶ its turn ─▶ `Running` ─▶ over ─▶ one of the newest, until it is forgotten
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from appliance.api.stores import Change, Conflict, Store, StoreAway
from appliance.api.values import Problem
from appliance.api_server.jobs.event_log import EventLog
from appliance.api_server.jobs.following import Behind, Signal, follow
from appliance.api_server.jobs.live import Live
from appliance.api_server.jobs.records import Records, Work, key_change, work_change
from appliance.api_server.jobs.running import Running
from appliance.api_server.tracing.current import Place, here, resumed
from appliance.errors import ApplianceError
from appliance.foundation import clock, entropy
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.management.jobs.checks import Operations
from appliance.management.jobs.dry_run import FilledStep, StepsNotPermitted, prepare, secrets_in, shown_steps
from appliance.management.jobs.events import HEARTBEAT, Beat, Event, Ring, Stale
from appliance.management.jobs.execution import (
    Execution,
    ExecutionOver,
    ExecutionUnknown,
    Limits,
    State,
    StepRecord,
    check_room,
    next_to_run,
    whose,
)
from appliance.management.jobs.idempotency import Known, fingerprint, key_of
from appliance.management.jobs.ids import RANDOM_BYTES, execution_id
from appliance.management.jobs.template import Template

log = get_logger("jobs")

LOOK_EVERY = 1.0
"""Seconds between two looks at an execution that another API server runs, and at those that it may have cancelled here."""
INTERRUPTED = "the API server ended while it ran"
GONE = "the API server that ran it is gone"
FORGOTTEN = "the API server ended while it waited, and its secrets are kept nowhere"


class Caller(Protocol):
    """Who asks."""

    @property
    def name(self) -> str:
        """The name of the user."""

    @property
    def user(self) -> str:
        """His id; "" for somebody on the host."""


class Host(Protocol):
    """What jobs have of the API server."""

    @property
    def operations(self) -> Operations:
        """Those that steps may have."""

    def template(self, name: str) -> Template:
        """The template of this name. Raises TemplateUnknown."""

    def judge(self, operation: str, arguments: Mapping[str, Any]) -> Sequence[Problem]:
        """What is wrong with the arguments of an operation."""

    def may(self, caller: Any, permission: str) -> bool:
        """May this caller do that?"""

    @property
    def find(self) -> Callable[[str, str], Awaitable[Any]]:
        """The caller with this name and id as he is now; None if there is no such user any more."""

    async def ask(self, operation: str, arguments: Mapping[str, Any], caller: Any, execution: str) -> Any:
        """The answer to an operation, for a caller's execution. Raises ApplianceError."""


class Turn(NamedTuple):
    """An execution that waits for its turn, with all that it was asked with."""

    live: Live
    template: Template
    given: Mapping[str, Any]
    place: Place | None = None
    """The request that asked for it, in its trace; None if it has none, or an earlier start took it."""


class Jobs:
    """`open` first; `close` at the end."""

    def __init__(
        self,
        store: Store,
        events: EventLog,
        host: Host,
        *,
        server: str = "api",
        limits: Limits | None = None,
        wall: Callable[[], float] = clock.wall,
        random: Callable[[int], bytes] = entropy.random_bytes,
    ) -> None:
        """`server`: the name of this API server, by which it knows its own executions when it is started again."""
        self._records = Records(store)
        self._events = events
        self._host = host
        self._server = server
        self._limits = limits or Limits()
        self._wall = wall
        self._random = random
        self._tasks = Tasks()
        self._starting = asyncio.Lock()
        self._waiting: list[Turn] = []
        self._running: dict[str, Live] = {}
        self._ended: deque[str] = deque()
        self._closed = False
        self._in_doubt = False
        self._counted: Counter[str] = Counter()

    async def open(self) -> None:
        """Go on with what waited; what ran when the last API server of this name ended is interrupted."""
        for found in await self._records.all():
            if found["server"] == self._server and State(found["state"]).over:
                self._ended.append(found["id"])
        await self._resume()

    async def heed(self) -> None:
        """Other API servers may have cancelled or settled what runs here; and what was begun while the store broke off may have
        been kept. Raises StoreBroken."""
        if self._in_doubt:
            async with self._starting:
                await self._resume()
                self._in_doubt = False
        for live in list(self._running.values()):
            await live.look()

    async def settle(self, server: str) -> None:
        """What another API server ran, which is gone, is interrupted; what waited there waits for its return, or for who cancels
        it. Raises StoreBroken."""
        for found in await self._records.all():
            if found["server"] == server and State(found["state"]) in {State.RUNNING, State.CANCELLING}:
                with suppress(ExecutionUnknown, ExecutionOver):
                    await self._interrupt(*await self._records.get(found["id"]), GONE)

    async def close(self) -> None:
        """End: what runs is interrupted, what waits will go on with the next start."""
        self._closed = True
        await self._tasks.close()
        for turn in self._waiting:
            turn.live.end()

    # ---- what callers want ----

    def dry_run(self, caller: Caller, name: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The steps as they would be done, without secrets. Raises what `start` raises."""
        template = self._host.template(name)
        values, steps = self._prepared(caller, template, given)
        return shown_steps(steps, self._host.operations, secrets_in(template, values))

    async def start(self, caller: Caller, name: str, given: Mapping[str, Any], key: str | None = None) -> Execution:
        """A new execution, or the one that this idempotency key stands for already.

        Raises TemplateUnknown, ParametersInvalid, StepsNotPermitted, JobsBusy, KeyReused, KeyInvalid, StoreFull and StoreBroken;
        then nothing was begun.
        """
        template = self._host.template(name)
        self._prepared(caller, template, given)
        shown = {parameter: value for parameter, value in given.items() if parameter not in template.secrets}
        place, request = (None if key is None else key_of(whose(caller.name, caller.user), key)), fingerprint(name, shown)
        async with self._starting:
            if place is not None and (known := await self._records.known(place)):
                return await self.get(known.for_(request))
            check_room(whose(caller.name, caller.user), [turn.live.execution for turn in self._waiting], self._limits)
            live = self._live(self._made(caller, template, shown), 0)
            secret = any(given.get(parameter) is not None for parameter in template.secrets)
            changes: list[Change] = [] if secret else [work_change(live.execution.id, _work(template, given))]
            if place is not None:
                changes.append(key_change(place, Known(request, live.execution.id), self._wall()))
            try:
                await live.begin(*changes)
            except Conflict:  # another API server had the same request at the same time
                if place is not None and (known := await self._records.known(place)):
                    return await self.get(known.for_(request))
                raise
            except StoreAway:
                self._in_doubt = True
                raise
            self._waiting.append(Turn(live, template, given, here()))
        self._counted["started"] += 1
        self._next()
        return live.execution

    async def get(self, execution: str) -> Execution:
        """An execution as it is. Raises ExecutionUnknown."""
        live = self._found(execution)
        return (await self._records.get(execution)).execution if live is None else live.execution

    async def shown(self, caller: Caller, execution: str) -> dict[str, Any]:
        """The same for this caller: answers are for whoever could have asked for them."""
        found = await self.get(execution)
        return found.shown(functools.partial(self._host.may, caller))

    async def page(self, after: str, limit: int) -> tuple[list[Mapping[str, Any]], str]:
        """Executions without their steps, the newest first, and where the next page begins; "" at the end."""
        return await self._records.page(after, limit)

    async def cancel(self, execution: str) -> Execution:
        """An execution that is to end. Raises ExecutionUnknown, ExecutionOver."""
        while True:
            live = self._found(execution)
            with suppress(Conflict):
                if live is None:
                    return await self._cancel_elsewhere(execution)
                waiting = [turn for turn in self._waiting if turn.live is live]
                if waiting:
                    self._waiting.remove(waiting[0])
                    await self._end_waiting(live, State.CANCELLED, None)
                else:
                    await live.cancel()
                return live.execution

    async def follow(
        self, execution: str, after: int | None, *, heartbeat: float = HEARTBEAT
    ) -> AsyncGenerator[Event | Stale | Beat, None]:
        """The stream of an execution behind a cursor (None: from its beginning), to its end. Raises ExecutionUnknown."""
        source = self._found(execution) or await _Elsewhere.found(execution, self._records)
        async for step in follow(source, after or 0, heartbeat=heartbeat):
            yield step

    async def heard(self, execution: str, after: int | None) -> bool:
        """Is it over, and is nothing of its stream behind that cursor? Raises ExecutionUnknown."""
        return (await self.get(execution)).state.over and not (await self._records.behind(execution, after or 0, 1)).events

    def stats(self) -> Mapping[str, int]:
        """Figures: executions that wait ("waiting") and run ("running"), and how many were "started" and ended, by state."""
        return {"waiting": len(self._waiting), "running": len(self._running), "started": 0} | self._counted

    # ---- turns ----

    def _next(self) -> None:
        while not self._closed:
            waiting = {turn.live.execution.id: turn for turn in self._waiting}
            running = [live.execution for live in self._running.values()]
            one = next_to_run([turn.live.execution for turn in self._waiting], running, self._limits)
            if one is None:
                return
            turn = waiting[one.id]
            self._waiting.remove(turn)
            self._running[one.id] = turn.live
            self._tasks.spawn(self._run(turn), f"execution {one.id}")

    async def _run(self, turn: Turn) -> None:
        live = turn.live
        try:
            with resumed(turn.place, f"job {turn.template.name}", {"appliance.job.id": live.execution.id}) as span:
                await self._begin(turn)
                if span is not None and live.execution.error is not None:
                    span.error = str(live.execution.error.get("code", "failed"))
        except (ExecutionOver, ExecutionUnknown) as error:
            log.info("an execution was ended by somebody else", execution=live.execution.id, reason=error.message)
        finally:
            del self._running[live.execution.id]
            live.end()
            self._next()
        await self._over(live)

    async def _begin(self, turn: Turn) -> None:
        """Its user may have changed since it was asked for, so it is judged again."""
        live = turn.live
        try:
            caller = await self._host.find(live.execution.by, live.execution.user)
            if caller is None:
                raise StepsNotPermitted(f"there is no user {live.execution.by} any more")
            values, steps = self._prepared(caller, turn.template, turn.given)
        except ApplianceError as error:
            await live.save(live.execution.ended_as(State.FAILED, live.now(), error.document()))
            return

        async def ask(operation: str, arguments: Mapping[str, Any]) -> Any:
            """Each time as the user is now: who was locked out or may less than before does nothing more."""
            now = await self._host.find(live.execution.by, live.execution.user)
            permission = self._host.operations[operation].permission
            if now is None or not self._host.may(now, permission):
                raise StepsNotPermitted(f"user {live.execution.by} may not do this any more ({permission})")
            return await self._host.ask(operation, arguments, now, live.execution.id)

        async def take_back(operation: str, arguments: Mapping[str, Any]) -> Any:
            """As the user was when it began, which was judged for undos too: nobody is better off with a change half done."""
            return await self._host.ask(operation, arguments, caller, live.execution.id)

        secrets = secrets_in(turn.template, values)
        await Running(live, steps, turn.template.timeout, self._host.operations, ask, take_back, secrets).run()

    async def _over(self, live: Live) -> None:
        live.end()
        self._counted[str(live.execution.state)] += 1
        self._ended.append(live.execution.id)
        while len(self._ended) > self._limits.kept and not self._closed:
            await self._records.forget(self._ended.popleft())

    # ---- after a start ----

    async def _resume(self) -> None:
        """Go on with what is kept as this server's, and is not in its hands."""
        for found in await self._records.all():
            if found["server"] == self._server and not State(found["state"]).over and not self._found(found["id"]):
                with suppress(ExecutionUnknown):  # it cannot be read
                    await self._take_up(found["id"])
        self._next()

    async def _take_up(self, execution: str) -> None:
        found, version = await self._records.get(execution)
        work = await self._records.work(execution) if found.state is State.QUEUED else None
        if work is None:
            await self._interrupt(found, version, FORGOTTEN if found.state is State.QUEUED else INTERRUPTED)
        else:
            live = self._live(found, version, await self._records.last(execution))
            self._waiting.append(Turn(live, Template.model_validate(work.template), work.parameters))

    async def _interrupt(self, found: Execution, version: int, said: str) -> None:
        live = self._live(found, version, await self._records.last(found.id))
        await live.save(found.interrupted(live.now(), said))
        await self._over(live)

    # ---- small things ----

    def _prepared(self, caller: Caller, template: Template, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[FilledStep]]:
        may = functools.partial(self._host.may, caller)
        return prepare(template, given, self._host.operations, may, self._host.judge)

    def _made(self, caller: Caller, template: Template, shown: Mapping[str, Any]) -> Execution:
        now = self._wall()
        operations = self._host.operations
        steps = [StepRecord(step.name, step.operation, operations[step.operation].permission) for step in template.steps]
        return Execution(
            execution_id(int(now * 1000), self._random(RANDOM_BYTES)),
            template.name,
            template.version,
            caller.name,
            caller.user,
            self._server,
            clock.utc_text(now),
            tuple(steps),
            shown,
        )

    def _live(self, execution: Execution, version: int, last: int = 0) -> Live:
        return Live(execution, version, self._records, self._events, self._limits, lambda: clock.utc_text(self._wall()), last)

    def _found(self, execution: str) -> Live | None:
        waiting = (turn.live for turn in self._waiting if turn.live.execution.id == execution)
        return self._running.get(execution) or next(waiting, None)

    async def _end_waiting(self, live: Live, state: State, error: Mapping[str, Any] | None) -> None:
        await live.save(live.execution.ended_as(state, live.now(), error))
        await self._over(live)

    async def _cancel_elsewhere(self, execution: str) -> Execution:
        """Another API server has it, or it is over. Raises Conflict if it has just changed."""
        found, version = await self._records.get(execution)
        if found.state.over:
            raise ExecutionOver(f"execution {execution} is {found.state} already", hint="nothing is left to cancel")
        now = clock.utc_text(self._wall())
        if found.state is State.QUEUED:
            found = found.ended_as(State.CANCELLED, now, None)
        elif found.state is State.RUNNING:
            found = found.moved(State.CANCELLING, now)
        await self._records.save(found, version, None)
        return found


class _Elsewhere(Signal):
    """The stream of an execution that is over, or another API server's: who waits for more of it looks at the store."""

    def __init__(self, execution: str, records: Records) -> None:
        super().__init__()
        self._execution = execution
        self._records = records
        self.ended = False
        self.ring = Ring()
        """Empty: only how far the stream goes."""

    @classmethod
    async def found(cls, execution: str, records: Records) -> _Elsewhere:
        """Raises ExecutionUnknown."""
        made = cls(execution, records)
        await made._look()
        return made

    @property
    def signal(self) -> Signal:
        return self

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, LOOK_EVERY))
        await self._look()

    async def _look(self) -> None:
        over = (await self._records.get(self._execution)).execution.state.over
        newest = await self._records.last(self._execution)
        if newest > self.ring.newest:
            self.ring = Ring(newest)
        self.ended = over

    async def behind(self, after: int, limit: int) -> Behind:
        return await self._records.behind(self._execution, after, limit)


def _work(template: Template, given: Mapping[str, Any]) -> Work:
    document = json.loads(template.model_dump_json(exclude_defaults=True))
    return Work(document, given)

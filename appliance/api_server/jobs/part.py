"""Templates, jobs and the log of events of one API server, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final

from appliance.api.stores import Store
from appliance.api_server.answering import Call
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller
from appliance.api_server.jobs.event_log import EventLog
from appliance.api_server.jobs.handlers import JobHandlers
from appliance.api_server.jobs.host import ServerHost
from appliance.api_server.jobs.jobs import LOOK_EVERY, Jobs
from appliance.api_server.jobs.templates import Templates, for_steps
from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.management.operations.row import Row

log = get_logger("jobs")

AGAIN_SECONDS: Final = 1.0
"""Until the node's events are asked for again, after they ended."""

Follow = Callable[[], AsyncGenerator[Mapping[str, Any], None]]
"""The node's events: its operation `events`. Raises ApplianceError."""


class JobsPart:
    """`open` first, then `handlers` answer; `close` at the end, before the store."""

    def __init__(
        self,
        store: Store,
        rows: Sequence[Row],
        asking: Asking,
        follow: Follow,
        *,
        server: str,
        node: str = "",
        permitted: Callable[[Caller, str], bool],
        find: Callable[[str, str], Awaitable[Caller | None]],
        still: Callable[[Call], Awaitable[bool]],
    ) -> None:
        """`server`: the name of this API server among those of the store; `node`: that of its node, which its events bear where
        there are others, "" where there are none. `permitted`: may this caller do that? `find`: the
        caller with a name and an id, as he is now. `still`: is who asked still who he was, with the same rights?"""
        operations = for_steps(rows)
        templates = Templates(operations)
        self.events = EventLog(store)
        self.jobs = Jobs(store, self.events, ServerHost(operations, templates, asking, permitted, find), server=server)
        self.handlers = JobHandlers(self.jobs, templates, self.events, operations, permitted, still).handlers
        self._follow = follow
        self._node = node
        self._tasks = Tasks()

    async def open(self) -> None:
        """Go on where the last one ended. Raises StoreBroken, StoreFull."""
        await self.events.open()
        self._tasks.spawn(self.events.run(), "events")
        await self.jobs.open()
        self._tasks.spawn(self._hear_the_node(), "events of the node")
        if self._node:
            self._tasks.spawn(self._heed_others(), "executions that others cancel")

    def ended(self) -> Mapping[str, int]:
        """How many executions have ended since the start, by how."""
        return {state: number for state, number in self.jobs.stats().items() if state not in {"waiting", "running", "started"}}

    async def close(self) -> None:
        """End: all streams, what runs, and the log."""
        await self.jobs.close()
        self.events.close()
        await self._tasks.close()

    async def _heed_others(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            with suppress(ApplianceError):  # the store is away
                await self.jobs.heed()

    async def _hear_the_node(self) -> None:
        while True:
            try:
                async with aclosing(self._follow()) as items:
                    async for item in items:
                        fields = {**item, "node": self._node} if self._node else dict(item)
                        self.events.publish(_kind(fields.pop("event", "unknown")), fields)
            except ApplianceError as error:
                log.info("the node's events ended", reason=error.message)
            await asyncio.sleep(AGAIN_SECONDS)


def _kind(event: str) -> str:
    """What the node's event is called here. That there is more in the audit log is for those who may read it."""
    return "audit.written" if event == "audit" else f"node.{event}"

"""Answers the rows about templates, jobs and events."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from appliance.api_server.answering import Call, Handler
from appliance.api_server.caller import Caller
from appliance.api_server.jobs.event_log import EventLog
from appliance.api_server.jobs.jobs import Jobs
from appliance.api_server.jobs.streaming import Streams, cursor_in
from appliance.api_server.jobs.templates import Templates
from appliance.management.jobs.checks import Operations
from appliance.management.jobs.template import Template

TOPICS: Final = {
    "node": "node.read",
    "events": "node.read",
    "jobs": "jobs.read",
    "reviews": "reviews.read",
    "audit": "audit.read",
    "anomalies": "figures.read",
}
"""The permission that each topic of events needs."""
RUN: Final = "jobs.run"


class JobHandlers:
    """`handlers` are by the names of rows."""

    def __init__(
        self,
        jobs: Jobs,
        templates: Templates,
        events: EventLog,
        operations: Operations,
        permitted: Callable[[Caller, str], bool],
        still: Callable[[Call], Awaitable[bool]],
    ) -> None:
        """`still`: is who asked still who he was, with the same rights?"""
        self._jobs = jobs
        self._templates = templates
        self._events = events
        self._operations = operations
        self._permitted = permitted
        self._still = still
        self._streams = Streams()
        self.handlers: Final[dict[str, Handler]] = {
            "templates.list": self._list,
            "templates.get": self._get,
            "templates.dry_run": self._dry_run,
            "templates.execute": self._execute,
            "templates.status": self._status,
            "templates.stream": self._stream,
            "jobs.list": self._page,
            "jobs.cancel": self._cancel,
            "events.follow": self._follow,
        }

    async def _list(self, call: Call) -> Any:
        page = call.arguments
        found = self._templates.all()
        names = [name for name in sorted(found) if name > page.after]
        items = [self._summary(found[name].template, call.caller) for name in names[: page.size]]
        return {"items": items, "next": items[-1]["name"] if len(names) > page.size else ""}

    async def _get(self, call: Call) -> Any:
        template = self._templates.get(call.arguments.name)
        whole = json.loads(template.model_dump_json())
        steps = [{"undo": None} | step for step in whole["steps"]]
        return self._summary(template, call.caller) | {
            "timeout": template.timeout,
            "parameters": whole["parameters"],
            "steps": steps,
        }

    async def _dry_run(self, call: Call) -> Any:
        return {"steps": self._jobs.dry_run(call.caller, call.arguments.template, call.arguments.parameters)}

    async def _execute(self, call: Call) -> Any:
        key = call.request.headers.get("idempotency-key")
        begun = await self._jobs.start(call.caller, call.arguments.template, call.arguments.parameters, key)
        return await self._jobs.shown(call.caller, begun.id)

    async def _status(self, call: Call) -> Any:
        return await self._jobs.shown(call.caller, call.arguments.executionId)

    async def _stream(self, call: Call) -> Response:
        execution = call.arguments.executionId
        after = cursor_in(call.request, call.arguments.after)
        if await self._jobs.heard(execution, after):
            return Response(status_code=204)  # tells a browser not to connect again (HTML, section 9.2.3)
        return self._streams.answer(call.caller.name, self._jobs.follow(execution, after), partial(self._still, call))

    async def _page(self, call: Call) -> Any:
        items, following = await self._jobs.page(call.arguments.after, call.arguments.size)
        return {"items": items, "next": following}

    async def _cancel(self, call: Call) -> Any:
        execution = await self._jobs.cancel(call.arguments.executionId)
        return await self._jobs.shown(call.caller, execution.id)

    async def _follow(self, call: Call) -> Response:
        after = cursor_in(call.request, call.arguments.after)
        followed = self._events.follow(after, self._topics(call))
        return self._streams.answer(call.caller.name, followed, partial(self._still, call))

    def _topics(self, call: Call) -> Collection[str]:
        """Those that were asked for, as far as the caller may see them; what he may not is as silent as what there is not."""
        seen = {topic for topic, permission in TOPICS.items() if self._permitted(call.caller, permission)}
        return seen & set(call.arguments.topics) if call.arguments.topics else seen

    def _summary(self, template: Template, caller: Caller) -> dict[str, Any]:
        permissions = sorted({self._operations[name].permission for name in template.operations})
        return {
            "name": template.name,
            "version": template.version,
            "summary": template.summary,
            "permissions": permissions,
            "allowed": all(self._permitted(caller, permission) for permission in (RUN, *permissions)),
        }

"""What jobs have of the API server: templates, the table of operations, who may what, and the node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from appliance.api.values import Problem
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller
from appliance.api_server.jobs.templates import Templates
from appliance.management.jobs.template import Template
from appliance.management.operations.row import Arguments, Row
from appliance.profile.arguments import judged
from appliance.sdk.errors import DeadlineExceeded


class ServerHost:
    """`jobs.Host` of a running API server."""

    def __init__(
        self,
        operations: Mapping[str, Row],
        templates: Templates,
        asking: Asking,
        permitted: Callable[[Caller, str], bool],
        find: Callable[[str, str], Awaitable[Caller | None]],
    ) -> None:
        """`permitted`: may this caller do that? `find`: the caller with a name and an id, as he is now."""
        self.operations: Final = operations
        self.template: Callable[[str], Template] = templates.get
        self.may = permitted
        self.find = find
        self._asking = asking

    def judge(self, operation: str, arguments: Mapping[str, Any]) -> Sequence[Problem]:
        """What is wrong with the arguments of an operation."""
        return judged(self.operations[operation].arguments, arguments)[1]

    async def ask(self, operation: str, arguments: Mapping[str, Any], caller: Caller, execution: str) -> Any:
        """The node's answer, as REST has it; its audit log has the execution's id for the request's. Raises ApplianceError."""
        row = self.operations[operation]
        said: Arguments = row.arguments.model_validate(arguments)  # type: ignore[assignment]  # rows have these
        try:
            return await self._asking.answer(row, said, caller.on_behalf(execution))
        except TimeoutError:
            raise DeadlineExceeded(f"{operation} took longer than {row.seconds:g} s", hint="look at the node's log") from None

"""What a review asks of the node, the caller's token has to permit as well."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api_server.answering import Call
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller, Forbidden, permitted
from appliance.api_server.reviews.handlers import handlers
from appliance.management.operations.table import BY_NAME
from tests.unit.api_server.reviews.test_reviews import PLAN, Story


def call(name: str, scopes: tuple[str, ...], **arguments: Any) -> Call:
    row = BY_NAME[name]
    program = Caller("alice", ("admin",), "api-token", "u1", scopes)
    return Call(row, program, row.arguments.model_validate(arguments), None, "r1")  # type: ignore[arg-type]  # nothing is read of it


async def test_a_program_sees_no_plan_that_its_token_has_no_scope_for() -> None:
    asked: list[str] = []

    async def node(op: str, *_: Any) -> Any:
        asked.append(op)
        return PLAN

    story = Story()
    answers = handlers(story.reviews, Asking(node, lambda: 0.0), lambda caller, permission: permitted(caller, permission, {}))
    with pytest.raises(Forbidden, match=r"node\.plan"):
        await answers["reviews.open"](call("reviews.open", ("reviews.write",), title="smaller MTU"))
    assert asked == []
    opened = await answers["reviews.open"](call("reviews.open", ("reviews.write", "node.plan"), title="smaller MTU"))
    assert (opened["plan"], asked) == (PLAN, ["plan"])

"""Templates and operations as tests write them."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel

from appliance.management.jobs.template import Template
from appliance.management.operations.row import Arguments, Nothing


class Invite(Arguments):
    name: str
    ttl: int = 3600


class Op(NamedTuple):
    name: str
    permission: str = "node.read"
    arguments: type[BaseModel] = Nothing
    stream: bool = False
    changes: bool = False


class Reload(Arguments):
    confirm_within: float | None = None


class Rollback(Arguments):
    unconfirmed: bool = False


OPERATIONS = {
    op.name: op
    for op in (
        Op("health"),
        Op("peers"),
        Op("reload", "node.change", Reload, changes=True),
        Op("rollback", "node.change", Rollback, changes=True),
        Op("confirm", "node.change", changes=True),
        Op("invite", "enrolment.invite", Invite, changes=True),
    )
}


def step(operation: str, **more: Any) -> dict[str, Any]:
    return {"name": operation, "operation": operation, **more}


def template(*steps: dict[str, Any], parameters: dict[str, Any] | None = None, **more: Any) -> Template:
    fields = {
        "template": 1,
        "name": "a",
        "version": 1,
        "summary": "…",
        "steps": list(steps),
        "parameters": parameters or {},
        **more,
    }
    return Template.model_validate(fields)


TRIAL = template(
    step("reload", arguments={"confirm_within": "${window}"}, undo={"operation": "rollback"}),
    step("health", pause="5s", within="10s", expect={"ok": True}, on_failure="undo"),
    step("confirm", on_failure="undo"),
    name="trial",
    parameters={"window": {"type": "number", "default": 60, "minimum": 10}},
)

"""A dry run says no as a start would, and shows what would be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from appliance.api.values import Problem
from appliance.management.jobs.dry_run import StepsNotPermitted, prepare, secrets_in, shown_steps
from appliance.management.jobs.parameters import ParametersInvalid
from tests.unit.management.jobs.written import OPERATIONS, TRIAL, step, template

SECRET = template(
    step("invite", arguments={"name": "host-${pin}"}),
    name="secret",
    parameters={"pin": {"type": "text", "secret": True, "required": True}},
)


def fine(_operation: str, _arguments: Mapping[str, Any]) -> Sequence[Problem]:
    return ()


def anybody(_permission: str) -> bool:
    return True


def test_the_steps_with_their_values() -> None:
    _, steps = prepare(TRIAL, {"window": 30}, OPERATIONS, anybody, fine)
    shown = shown_steps(steps, OPERATIONS, [])
    assert shown[0] == {
        "name": "reload",
        "operation": "reload",
        "permission": "node.change",
        "arguments": {"confirm_within": 30},
        "undo": {"operation": "rollback", "permission": "node.change", "arguments": {}},
        "pause": 0.0,
        "within": 0.0,
        "expect": {},
        "end_if": {},
        "on_failure": "stop",
    }
    assert [(one["operation"], one["pause"], one["within"]) for one in shown[1:]] == [
        ("health", 5.0, 10.0),
        ("confirm", 0.0, 0.0),
    ]


def test_secrets_are_not_shown() -> None:
    values, steps = prepare(SECRET, {"pin": "1234"}, OPERATIONS, anybody, fine)
    assert steps[0].deed.arguments == {"name": "host-1234"}
    assert "1234" not in str(shown_steps(steps, OPERATIONS, secrets_in(SECRET, values)))


def test_whoever_may_not_do_one_of_the_steps_may_not_begin() -> None:
    with pytest.raises(StepsNotPermitted, match=r"node\.change"):
        prepare(TRIAL, {}, OPERATIONS, lambda permission: permission == "node.read", fine)


def test_the_undo_counts_as_a_step() -> None:
    made = template(step("health", undo={"operation": "rollback"}))
    with pytest.raises(StepsNotPermitted):
        prepare(made, {}, OPERATIONS, lambda permission: permission == "node.read", fine)


def test_what_an_operation_does_not_take_is_told_with_its_step_and_without_secrets() -> None:
    def judge(_operation: str, arguments: Mapping[str, Any]) -> Sequence[Problem]:
        return [Problem("name", f"{arguments['name']!r} is no name")]

    with pytest.raises(ParametersInvalid) as caught:
        prepare(SECRET, {"pin": "1234"}, OPERATIONS, anybody, judge)
    assert caught.value.problems == (Problem("steps.0.name", "'host-[secret]' is no name"),)
    assert "1234" not in str(caught.value.document())


def test_an_operation_that_has_gone_is_told() -> None:
    with pytest.raises(ParametersInvalid, match="no operation confirm now"):
        prepare(TRIAL, {}, {name: op for name, op in OPERATIONS.items() if name != "confirm"}, anybody, fine)

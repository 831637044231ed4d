"""Contradictions within a template, and what the table of operations says of it."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.management.jobs.checks import check
from appliance.management.jobs.template import Template
from tests.unit.management.jobs.written import OPERATIONS, TRIAL, step, template

NUMBER = {"type": "number", "default": 1}


def problems(made: Template) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in check(made, OPERATIONS)]


def test_a_right_one_has_none() -> None:
    assert problems(TRIAL) == []


@pytest.mark.parametrize(
    ("made", "path", "words"),
    [
        (template(step("format-disk")), "steps.0.operation", "no operation"),
        (template(step("invite")), "steps.0", "needs the argument name"),
        (template(step("health", arguments={"deep": 1})), "steps.0.arguments.deep", "no such argument"),
        (template(step("health", arguments={"deep": "${x}"})), "steps.0.arguments", "no parameter x"),
        (template(step("health"), step("health")), "steps.1.name", "another step"),
        (template(step("reload", undo={"operation": "nope"})), "steps.0.undo.operation", "no operation"),
        (template(step("health", on_failure="undo")), "steps.0.on_failure", "no step before"),
        (template(step("reload", on_failure="undo", undo={"operation": "rollback"})), "steps.0.on_failure", "no step before"),
        (template(step("health", within=5)), "steps.0.within", "nothing to wait for"),
        (template(step("reload", within=5, expect={"ok": True})), "steps.0.within", "changes something"),
        (template(step("health", pause="${x}")), "steps.0.pause", "no such parameter"),
        (template(step("health", pause="${x}"), parameters={"x": {"type": "text", "default": "1"}}), "steps.0.pause", "number"),
        (template(step("health", pause="${x}"), parameters={"x": {"type": "number"}}), "steps.0.pause", "number"),
        (
            template(step("invite", arguments={"name": "a-${x}"}), parameters={"x": {"type": "text"}}),
            "steps.0.arguments",
            "needs a value",
        ),
        (template(step("health"), parameters={"x": NUMBER}), "parameters.x", "no step has"),
    ],
)
def test_told(made: Template, path: str, words: str) -> None:
    assert [(where, words) for where, said in problems(made) if words in said] == [(path, words)]


@pytest.mark.parametrize(
    ("parameter", "key", "words"),
    [
        ({"type": "number", "pattern": "a"}, ".pattern", "text only"),
        ({"type": "boolean", "minimum": 1}, ".minimum", "text and number only"),
        ({"type": "number", "secret": True}, ".secret", "text only"),
        ({"type": "text", "choices": ["a", "b"]}, ".choices", "choice only"),
        ({"type": "choice", "choices": ["a", "a"]}, "", "nothing to choose"),
        ({"type": "text", "secret": True, "default": "x"}, ".default", "no default"),
        ({"type": "text", "required": True, "default": "x"}, ".default", "needs no default"),
        ({"type": "number", "default": True}, ".default", "expected a number"),
        ({"type": "text", "default": "x", "pattern": "y"}, ".default", "does not match"),
        ({"type": "text", "pattern": "("}, ".pattern", "no regular expression"),
        ({"type": "number", "minimum": 2, "maximum": 1}, ".minimum", "more than the maximum"),
    ],
)
def test_told_of_a_parameter(parameter: dict[str, Any], key: str, words: str) -> None:
    made = template(step("invite", arguments={"name": "${p}"}), parameters={"p": parameter})
    assert [where for where, said in problems(made) if words in said] == [f"parameters.p{key}"]

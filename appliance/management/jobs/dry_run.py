"""A template with the values of its parameters: the steps as they will be asked, and whether this caller may ask them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from appliance.api.values import Problem
from appliance.errors import ApplianceError, ExitCode
from appliance.management.jobs.checks import Operations
from appliance.management.jobs.filling import fill, hide
from appliance.management.jobs.parameters import ParametersInvalid, values_of
from appliance.management.jobs.template import LONGEST, Step, Template, Undo

Judge = Callable[[str, Mapping[str, Any]], Sequence[Problem]]
"""What is wrong with the arguments of an operation."""


class StepsNotPermitted(ApplianceError):
    """The caller may not do what a step does. Nothing was begun."""

    exit_code = ExitCode.PERMISSION


class Deed(NamedTuple):
    """An operation with its arguments filled in."""

    operation: str
    arguments: Mapping[str, Any]


class FilledStep(NamedTuple):
    """A step as it will be done."""

    name: str
    deed: Deed
    undo: Deed | None
    pause: float
    within: float
    expect: Mapping[str, Any]
    end_if: Mapping[str, Any]
    on_failure: str


def filled_steps(template: Template, values: Mapping[str, Any]) -> list[FilledStep]:
    """The steps with the parameters put in."""
    return [_filled(step, values) for step in template.steps]


def prepare(
    template: Template, given: Mapping[str, Any], operations: Operations, may: Callable[[str], bool], judge: Judge
) -> tuple[dict[str, Any], list[FilledStep]]:
    """The values of all parameters, and the steps. Raises StepsNotPermitted, ParametersInvalid, before anything was begun."""
    missing = [name for name in template.operations if name not in operations]
    if missing:
        raise ParametersInvalid(template.name, (Problem("steps", f"there is no operation {missing[0]} now"),))
    denied = sorted({operations[name].permission for name in template.operations if not may(operations[name].permission)})
    if denied:
        raise StepsNotPermitted(f"template {template.name} needs {', '.join(denied)}", hint="ask an admin for a role that has it")
    values = values_of(template, given)
    steps = filled_steps(template, values)
    problems = tuple(
        Problem(f"steps.{index}.{problem.path}", problem.message, problem.hint)
        for index, step in enumerate(steps)
        for deed in (step.deed, step.undo)
        if deed is not None
        for problem in judge(deed.operation, deed.arguments)
    )
    if problems:  # what a value made of an argument may have a secret in it
        hidden = [problem._replace(message=hide(problem.message, secrets_in(template, values))) for problem in problems]
        raise ParametersInvalid(template.name, tuple(hidden))
    return values, steps


def secrets_in(template: Template, values: Mapping[str, Any]) -> list[str]:
    """The values that are to be shown nowhere."""
    return [values[name] for name in template.secrets if values.get(name) is not None]


def shown_steps(steps: Sequence[FilledStep], operations: Operations, secrets: Sequence[str]) -> list[dict[str, Any]]:
    """The steps for whoever wants to see them first, without secrets."""
    return [
        {
            "name": step.name,
            **_shown(step.deed, operations, secrets),
            "undo": None if step.undo is None else _shown(step.undo, operations, secrets),
            "pause": step.pause,
            "within": step.within,
            "expect": hide(step.expect, secrets),
            "end_if": hide(step.end_if, secrets),
            "on_failure": step.on_failure,
        }
        for step in steps
    ]


def _shown(deed: Deed, operations: Operations, secrets: Sequence[str]) -> dict[str, Any]:
    permission = operations[deed.operation].permission
    return {"operation": deed.operation, "permission": permission, "arguments": hide(deed.arguments, secrets)}


def _filled(step: Step, values: Mapping[str, Any]) -> FilledStep:
    return FilledStep(
        step.name,
        _deed(step, values),
        None if step.undo is None else _deed(step.undo, values),
        _span(step.pause, values),
        _span(step.within, values),
        fill(step.expect, values),
        fill(step.end_if, values),
        step.on_failure,
    )


def _deed(deed: Undo, values: Mapping[str, Any]) -> Deed:
    return Deed(deed.operation, fill(deed.arguments, values))


def _span(span: float | str, values: Mapping[str, Any]) -> float:
    seconds = fill(span, values) if isinstance(span, str) else span
    return min(max(float(seconds), 0.0), LONGEST)

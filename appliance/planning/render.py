"""A plan for people (`+` comes, `-` goes, `~` changes) and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from appliance.api.planning import Action, Plan, Step
from appliance.planning.revert import revert
from appliance.planning.wording import describe, sign

COLORS = {"+": "\033[32m", "-": "\033[31m", "~": "\033[33m"}
BOLD_RED, RESET = "\033[1;31m", "\033[0m"


def render(plan: Plan, *, color: bool = False, with_revert: bool = True) -> str:
    """The plan as lines of text, with its revert below. Ends with a newline."""
    return "\n".join(_lines(plan, color=color, with_revert=with_revert)) + "\n"


def to_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON-able data: {"changes", "steps", "revert", "warnings", "cuts_off"}."""
    return {
        "changes": len(plan.steps),
        "steps": [step_to_json(step) for step in plan.steps],
        "revert": [step_to_json(step) for step in revert(plan).steps],
        "warnings": list(plan.warnings),
        "cuts_off": plan.cuts_off,
    }


def step_to_json(step: Step) -> dict[str, Any]:
    """One step, such that `step_from_json` gives it back."""
    return {
        "summary": step.summary,
        "sign": sign(step),
        **{name: {"verb": action.verb, "args": dict(action.args)} for name, action in _actions(step)},
        **({"plugin": step.plugin} if step.plugin else {}),
    }


def step_from_json(data: Mapping[str, Any]) -> Step:
    """The step that `step_to_json` wrote."""
    do, undo, verify = (Action(data[name]["verb"], data[name]["args"]) for name in ("do", "undo", "verify"))
    return Step(data["summary"], do, undo, verify, data.get("plugin", ""))


def _actions(step: Step) -> Iterator[tuple[str, Action]]:
    yield "do", step.do
    yield "undo", step.undo
    yield "verify", step.verify


def _lines(plan: Plan, *, color: bool, with_revert: bool) -> Iterator[str]:
    if not plan.steps:
        yield "No changes: this host is as the profile says."
    else:
        yield f"{_count(len(plan.steps))}:"
        for step in plan.steps:
            yield _line(sign(step), step.summary, _before(step), color=color)
    if plan.steps and with_revert:
        yield "To undo, in this order:"
        for step in revert(plan).steps:
            yield _line(sign(step), step.summary, "", color=color)
    for warning in plan.warnings:
        yield f"Warning: {warning}."
    if plan.cuts_off:
        text = f"Your own session would be cut off, {plan.cuts_off}."
        yield f"{BOLD_RED}{text}{RESET}" if color else text
        yield "Apply it with --confirm-within 60s: without `appliance confirm` in time, everything is undone by itself."


def _line(mark: str, summary: str, before: str, *, color: bool) -> str:
    text = f"{mark} {summary}{before}"
    return f"  {COLORS[mark]}{text}{RESET}" if color else f"  {text}"


def _before(step: Step) -> str:
    """What a change replaces, if that is a short word."""
    if step.do.verb == "sysctl.set":
        return f" (was {step.undo.args['value']})"
    if step.do.verb == "link.set":
        return f" (was {describe(step.undo).partition(': ')[2]})"
    return ""


def _count(steps: int) -> str:
    return "1 change" if steps == 1 else f"{steps} changes"

"""What can only be judged when several keys of a template are seen together, or beside the table of operations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from pydantic import BaseModel

from appliance.api.values import Problem
from appliance.management.jobs.filling import names_in
from appliance.management.jobs.parameters import wrong, wrong_pattern
from appliance.management.jobs.template import REFERENCE, Parameter, Step, Template, Undo

_ONLY_FOR: Final[Mapping[str, tuple[str, ...]]] = {
    "pattern": ("text",),
    "secret": ("text",),
    "minimum": ("text", "number"),
    "maximum": ("text", "number"),
    "choices": ("choice",),
}


class Operation(Protocol):
    """What a row of the table of operations tells us."""

    @property
    def name(self) -> str:
        """What steps call it."""

    @property
    def permission(self) -> str:
        """What the caller needs."""

    @property
    def arguments(self) -> type[BaseModel]:
        """The model of its arguments."""

    @property
    def stream(self) -> bool:
        """Its answer never ends."""

    @property
    def changes(self) -> bool:
        """Is anything different afterwards?"""


Operations = Mapping[str, Operation]
"""Those that steps may have, by name."""


def check(template: Template, operations: Operations) -> Iterator[Problem]:
    """Everything that is wrong."""
    for name, parameter in template.parameters.items():
        yield from _parameter(f"parameters.{name}", parameter)
    seen: set[str] = set()
    undoable = False
    for index, step in enumerate(template.steps):
        path = f"steps.{index}"
        if step.name in seen:
            yield Problem(f"{path}.name", "another step is called so", "names tell steps apart in the progress")
        seen.add(step.name)
        if step.on_failure == "undo" and not undoable:
            yield Problem(f"{path}.on_failure", "no step before this one has an undo", "give one of them `undo`, or write stop")
        undoable = undoable or step.undo is not None
        yield from _step(path, step, template, operations)
    used = {name for step in template.steps for name, _ in names_in(step.model_dump())}
    for name in template.parameters:
        if name not in used:
            yield Problem(f"parameters.{name}", "no step has this parameter", f"write ${{{name}}} into an argument, or remove it")


def _parameter(path: str, parameter: Parameter) -> Iterator[Problem]:
    for key, types in _ONLY_FOR.items():
        if key in parameter.model_fields_set and parameter.type not in types:
            yield Problem(f"{path}.{key}", f"this is for {' and '.join(types)} only", "")
            return
    if parameter.type == "choice" and len(set(parameter.choices)) < 2:
        yield Problem(path, "there is nothing to choose from", "give it two choices or more")
    if parameter.pattern is not None and (said := wrong_pattern(parameter.pattern)):
        yield Problem(f"{path}.pattern", f"no regular expression: {said}", "")
    elif parameter.default is not None:
        yield from _default(f"{path}.default", parameter)
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None and low > high:
        yield Problem(f"{path}.minimum", f"is more than the maximum, {high}", "")


def _default(path: str, parameter: Parameter) -> Iterator[Problem]:
    if parameter.secret:
        yield Problem(path, "a secret has no default", "files are read by many; whoever runs the template gives it")
    elif parameter.required:
        yield Problem(path, "what has to be given needs no default", "remove one of the two")
    elif said := wrong(parameter, parameter.default):
        yield Problem(path, said, "")


def _step(path: str, step: Step, template: Template, operations: Operations) -> Iterator[Problem]:
    yield from _deed(path, step, template, operations)
    if step.undo is not None:
        yield from _deed(f"{path}.undo", step.undo, template, operations)
    yield from _named(f"{path}.expect", step.expect, template.parameters)
    yield from _named(f"{path}.end_if", step.end_if, template.parameters)
    for key in ("pause", "within"):
        if isinstance(span := getattr(step, key), str):
            yield from _span(f"{path}.{key}", span, template.parameters)
    if step.within and not step.expect:
        yield Problem(f"{path}.within", "there is nothing to wait for", "say what the answer has to have: expect")
    known = operations.get(step.operation)
    if step.within and known is not None and known.changes:
        yield Problem(f"{path}.within", f"{step.operation} changes something each time it is asked", "wait by a step that reads")


def _deed(path: str, deed: Undo, template: Template, operations: Operations) -> Iterator[Problem]:
    yield from _named(f"{path}.arguments", deed.arguments, template.parameters)
    known = operations.get(deed.operation)
    if known is None:
        yield Problem(
            f"{path}.operation", f"there is no operation {deed.operation} for steps", f"there are: {', '.join(operations)}"
        )
        return
    fields = {field.alias or name: field for name, field in known.arguments.model_fields.items()}
    for name in deed.arguments:
        if name not in fields:
            hint = f"it has: {', '.join(fields)}" if fields else "it has none"
            yield Problem(f"{path}.arguments.{name}", f"{deed.operation} has no such argument", hint)
    for name, field in fields.items():
        if field.is_required() and name not in deed.arguments:
            yield Problem(path, f"{deed.operation} needs the argument {name}", field.description or "")


def _named(path: str, value: Any, parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
    for name, alone in names_in(value):
        parameter = parameters.get(name)
        if parameter is None:
            yield Problem(path, f"there is no parameter {name}", f"there are: {', '.join(parameters)}" if parameters else "")
        elif not alone and not parameter.required and parameter.default is None:
            yield Problem(path, f"within a text, {name} needs a value", "make the parameter required, or give it a default")


def _span(path: str, reference: str, parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
    found = REFERENCE.fullmatch(reference)
    parameter = parameters.get(found[1]) if found else None
    if parameter is None:
        yield Problem(path, f"there is no such parameter: {reference}", "")
    elif parameter.type != "number" or (not parameter.required and parameter.default is None):
        yield Problem(path, f"{reference} is not always a number", "of seconds, required or with a default")

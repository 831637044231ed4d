"""The values of a template's parameters: what was given, judged, with the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from appliance.api.values import Problem
from appliance.errors import ApplianceError, ExitCode
from appliance.management.jobs.template import MOST_NUMBER, MOST_TEXT, Parameter, Template


class ParametersInvalid(ApplianceError):
    """What was given does not fit the template's parameters. Nothing was begun."""

    exit_code = ExitCode.INVALID

    def __init__(self, template: str, problems: tuple[Problem, ...]) -> None:
        first = problems[0]
        super().__init__(f"template {template}: {first.path}: {first.message}", hint=first.hint)
        self.problems = problems

    def document(self) -> dict[str, Any]:
        """With what is wrong about each parameter."""
        return super().document() | {"arguments": [problem._asdict() for problem in self.problems]}


def values_of(template: Template, given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each parameter; None for one that was not given and has no default. Raises ParametersInvalid."""
    problems = tuple(_problems(template, given))
    if problems:
        raise ParametersInvalid(template.name, problems)
    return {
        name: given[name] if given.get(name) is not None else parameter.default for name, parameter in template.parameters.items()
    }


def wrong(parameter: Parameter, value: Any) -> str:
    """What is wrong with a value of this parameter; "" if nothing is. Says nothing of a secret's value."""
    match parameter.type:
        case "boolean":
            return "" if isinstance(value, bool) else "expected true or false"
        case "number":
            return _wrong_number(parameter, value)
        case "choice":
            return "" if value in parameter.choices else f"expected one of {', '.join(parameter.choices)}"
        case "text":
            return _wrong_text(parameter, value)


def wrong_pattern(pattern: str) -> str:
    """What is wrong with a regular expression; "" if nothing is."""
    try:
        _matcher(pattern)
        TypeAdapter(Annotated[str, Field(pattern=pattern)])  # by itself: a bracket too many would pass as the end of ours
    except SchemaError as error:
        return str(error).strip().splitlines()[-1].removeprefix("error: ").strip()
    return ""


def _problems(template: Template, given: Mapping[str, Any]) -> Iterator[Problem]:
    known = ", ".join(template.parameters)
    for name in given:
        if name not in template.parameters:
            yield Problem(ascii(name)[1:-1][:64], "there is no such parameter", f"there are: {known}" if known else "it has none")
    for name, parameter in template.parameters.items():
        value = given.get(name)
        if value is None:
            if parameter.required:
                yield Problem(name, "this parameter has to be given", parameter.summary)
        elif said := wrong(parameter, value):
            yield Problem(name, said, parameter.summary)


def _wrong_number(parameter: Parameter, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST_NUMBER <= value <= MOST_NUMBER:
        return "expected a number"
    if parameter.minimum is not None and value < parameter.minimum:
        return f"must be at least {parameter.minimum}"
    if parameter.maximum is not None and value > parameter.maximum:
        return f"must be at most {parameter.maximum}"
    return ""


def _wrong_text(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        return "expected text"
    if any("\ud800" <= char <= "\udfff" for char in value):
        return "has half of a surrogate pair, which is no character"
    most = MOST_TEXT if parameter.maximum is None else min(parameter.maximum, MOST_TEXT)
    if len(value) > most:
        return f"has more than {most} characters"
    if parameter.minimum is not None and len(value) < parameter.minimum:
        return f"has less than {parameter.minimum} characters"
    if parameter.pattern is not None:
        try:
            _matcher(parameter.pattern).validate_python(value)
        except ValidationError:
            return f"does not match {parameter.pattern}"
    return ""


def _matcher(pattern: str) -> TypeAdapter[str]:
    """Rust's regular expressions: they take time in proportion to the text, whatever the pattern is. Raises SchemaError."""
    whole: Any = Annotated[str, Field(pattern=f"^(?:{pattern})$")]
    return TypeAdapter(whole)

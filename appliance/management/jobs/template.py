"""A template: operations in an order, with parameters, as somebody writes it into a file. `checks` judges one as a whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue, PlainValidator, StrictBool, StrictFloat, StrictInt, StrictStr, WithJsonSchema

from appliance.api.profile_section import Section
from appliance.api.profile_values import Name, Seconds, Switch
from appliance.api.units import parse_seconds

TEMPLATE_VERSION: Final = 1
"""The version of the format."""
MOST_BYTES: Final = 64 * 1024
"""Of a template's file. The longest of ours has two thousand."""
MOST_STEPS: Final = 32
MOST_PARAMETERS: Final = 32
MOST_TEXT: Final = 4_096
"""Characters of a parameter's value."""
MOST_NUMBER: Final = 2**53
"""A number's largest size: beyond it JSON readers disagree."""
LONGEST: Final = 24 * 3600.0
"""Seconds that an execution, or a wait in it, may take."""

REFERENCE: Final = re.compile(r"\$\{([a-z][a-z0-9_]*)\}")
"""What stands for a parameter's value."""


def _span(value: object) -> float | str:
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return value
    seconds = parse_seconds(value) if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST:
        raise ValueError("write a duration of up to 24h, such as 5s, or ${name} for that of a parameter")
    return float(seconds)


Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
"""A parameter's value."""
Span = Annotated[
    float | str,
    PlainValidator(_span),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0, "maximum": LONGEST}]}),
]
"""A duration, or the parameter that has it as a number of seconds."""
OperationName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]*$", max_length=127)]
ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
Values = Mapping[str, JsonValue]


class Parameter(Section):
    """What whoever runs the template may choose."""

    type: Literal["text", "number", "boolean", "choice"] = Field(description="Kind of value.")
    summary: str = Field(default="", max_length=200, description="A line about it.")
    required: Switch = Field(default=False, description="It has to be given.")
    default: Scalar | None = Field(default=None, description="Its value when it is not given. Without one it is left out.")
    secret: Switch = Field(default=False, description="A text that is shown nowhere and kept nowhere.")
    pattern: str | None = Field(
        default=None,
        max_length=500,
        description="Regular expression for a whole text, without looking around and references back.",
    )
    minimum: StrictInt | StrictFloat | None = Field(default=None, description="Least number; of a text the least characters.")
    maximum: StrictInt | StrictFloat | None = Field(default=None, description="Greatest number; of a text the most characters.")
    choices: tuple[str, ...] = Field(default=(), max_length=100, description="What can be chosen.")


class Undo(Section):
    """What takes a step back."""

    operation: OperationName = Field(description="Name of the operation.")
    arguments: Values = Field(default_factory=dict, description="Its arguments, in which ${parameter} may stand.")


class Step(Undo):
    """One operation, and what comes of it."""

    name: Name = Field(description="What it is called in the progress of an execution.")
    pause: Span = Field(default=0.0, description="How long to wait before it.")
    expect: Values = Field(default_factory=dict, description="What its answer has to have; anything else is a failure.")
    within: Span = Field(default=0.0, description="How long to ask again until the answer is as expected.")
    end_if: Values = Field(
        default_factory=dict, description="If its answer has this, nothing is left to do: the execution has succeeded."
    )
    on_failure: Literal["stop", "continue", "undo"] = Field(
        default="stop", description="What comes after a failure: the end, the next step, or the undo of all steps before."
    )
    undo: Undo | None = Field(default=None, description="What takes the step back, once it was done.")


class Template(Section):
    """Operations in an order, with parameters."""

    template: Literal[1] = Field(description="Version of this format.")
    name: Name = Field(description="What it is called; its file has the same name.")
    version: Annotated[int, Field(strict=True, ge=1)] = Field(description="Grows with each change, so that people can tell.")
    summary: str = Field(max_length=200, description="A line about it.")
    timeout: Annotated[Seconds, Field(gt=0, le=LONGEST)] = Field(default=600.0, description="How long an execution may take.")
    parameters: dict[ParameterName, Parameter] = Field(
        default_factory=dict, max_length=MOST_PARAMETERS, description="What can be chosen, by name."
    )
    steps: tuple[Step, ...] = Field(min_length=1, max_length=MOST_STEPS, description="What is done, in this order.")

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations of all steps and undos, each once."""
        deeds = [deed for step in self.steps for deed in (step, step.undo) if deed is not None]
        return tuple(dict.fromkeys(deed.operation for deed in deeds))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of parameters whose values are shown nowhere."""
        return tuple(name for name, parameter in self.parameters.items() if parameter.secret)

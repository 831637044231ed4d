"""What the entries of a lab file are made of, besides the values that profiles have as well."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from appliance.api.units import format_seconds, parse_seconds

HostName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=32)]
"""Also the host's part of the name of its namespace, and the `name` in its profile."""


class Section(BaseModel):
    """A mapping of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _share(value: object) -> float:
    if isinstance(value, str) and (found := re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%", value)) and float(found[1]) <= 100:
        return float(found[1]) / 100
    raise ValueError("a share is written in percent, for example 2% or 0.5%")


def _burst(value: object) -> int | float:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000:
        return value
    if isinstance(value, str) and 0.001 <= (seconds := parse_seconds(value)) <= 60.0:
        return seconds
    raise ValueError("a burst is a number of packets, or a time such as 200ms")


def _burst_text(value: float) -> int | str:
    return value if isinstance(value, int) else format_seconds(value)


Share = Annotated[
    float,
    PlainValidator(_share),
    PlainSerializer(lambda share: f"{100 * share:g}%", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$"}),
]
"""A part of the packets, from 0 to 1: text such as "2%"."""
Burst = Annotated[
    int | float,
    PlainValidator(_burst),
    PlainSerializer(_burst_text, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s)$"}]}),
]
"""How much is lost at a time: a whole number of packets, or a float of seconds."""

"""Rows about recent traces, which the API server answers from what it remembers."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from appliance.management.operations.row import AnsweredBy, Arguments, Result, Row, Verb


class TracesAsked(Arguments):
    """Which, and how many."""

    limit: int = Field(default=20, ge=1, le=200, description="Most traces.")
    name: str = Field(default="", max_length=100, description="Only those with a step whose name has this in it.")
    failed: bool = Field(default=False, description="Only those in which a step went wrong.")


class TraceAsked(Arguments):
    """Which trace."""

    trace: str = Field(max_length=64, description="32 hexadecimal digits, as `traceparent` and the log have them.")


class TraceStep(Result):
    """A span."""

    depth: int = Field(description="How many others of this list it is within.")
    name: str
    process: str = Field(description="node or api: whose step it is.")
    kind: str = Field(description="server, client or internal.")
    span: str = Field(description="16 hexadecimal digits.")
    parent: str = Field(description='The span it is within, perhaps of another host; "" for the first of the trace.')
    after_ms: float = Field(description="From the beginning of the trace here.")
    ms: float
    own_ms: float = Field(description="What no step within it accounts for.")
    error: str = Field(description='A code; "" if it went well.')
    attributes: dict[str, str | int | float | bool]


class TraceLine(Result):
    """A trace in a line."""

    trace: str
    at: str = Field(description="When it began here, RFC 3339.")
    ms: float = Field(description="Of the step that took longest with all within it.")
    name: str = Field(description="Of that step.")
    steps: int
    where: str = Field(description="The step that took most by itself.")
    where_ms: float
    error: str


class Traces(Result):
    """The slowest of late."""

    items: list[TraceLine] = Field(description="The slowest first.")


class WholeTrace(TraceLine):
    """A trace, as far as this node has it."""

    items: list[TraceStep] = Field(description="Outer steps before those within them.")


_TAG: Final = "Traces"

ROWS: Final = (
    Row(
        "traces", "the slowest traces of late, and where their time went", _TAG, "figures.read", Verb.GET, "/traces", Traces,
        TracesAsked, AnsweredBy.SERVER, fails=(404,), example={"limit": 5, "name": "reload"},
    ),
    Row(
        "traces.get", "one trace, step by step", _TAG, "figures.read", Verb.GET, "/traces/{trace}", WholeTrace, TraceAsked,
        AnsweredBy.SERVER, fails=(404,), example={"trace": "4bf92f3577b34da6a3ce929d0e0e4736"},
    ),
)  # fmt: skip

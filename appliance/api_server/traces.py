"""Answers the rows about traces."""

from __future__ import annotations

from typing import Any

from appliance.api_server.answering import Call, Handler
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.management.operations.traces import TraceAsked, TracesAsked
from appliance.management.tracing.recent import Recent, Step, Whole


class NoSuchTrace(ApplianceError):
    """Nothing is known of that trace, or of any."""


def handlers(recent: Recent | None) -> dict[str, Handler]:
    """By the names of their rows. `recent`: None where nothing is traced."""

    def remembered() -> Recent:
        if recent is None:
            raise NoSuchTrace("nothing is traced here", hint="write `tracing: {}` into the profile's section management")
        return recent

    async def slowest(call: Call) -> dict[str, Any]:
        wanted: TracesAsked = call.arguments
        return {"items": [_line(each) for each in remembered().slowest(wanted.limit, wanted.name, failed=wanted.failed)]}

    async def one(call: Call) -> dict[str, Any]:
        wanted: TraceAsked = call.arguments
        found = remembered().get(wanted.trace)
        if found is None:
            raise NoSuchTrace(
                "nothing of this trace is remembered here",
                hint="the newest are, and the slowest of the last hour, of those that are recorded",
            )
        return {**_line(found), "items": [_step(each, found.began) for each in found.steps]}

    return {"traces": slowest, "traces.get": one}


def _line(whole: Whole) -> dict[str, Any]:
    longest, where = whole.longest.span, whole.where
    return {
        "trace": whole.trace,
        "at": clock.utc_text(whole.began),
        "ms": _ms(longest.seconds),
        "name": longest.name,
        "steps": len(whole.steps),
        "where": where.span.name,
        "where_ms": _ms(where.own),
        "error": whole.error,
    }


def _step(step: Step, began: float) -> dict[str, Any]:
    span = step.span
    return {
        "depth": step.depth,
        "name": span.name,
        "process": span.process,
        "kind": span.kind,
        "span": span.span,
        "parent": span.parent,
        "after_ms": _ms(span.began - began),
        "ms": _ms(span.seconds),
        "own_ms": _ms(step.own),
        "error": span.error,
        "attributes": dict(span.attributes),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)

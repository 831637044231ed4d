"""The rows about recent traces."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api_server.answering import Call
from appliance.api_server.traces import NoSuchTrace, handlers
from appliance.management.operations.traces import ROWS, TraceAsked, Traces, TracesAsked, WholeTrace
from appliance.management.tracing.recent import Recent
from appliance.management.tracing.span import Kind, Process, Span

TRACE = "a" * 32


def span(name: str, number: str, parent: str, began: float, seconds: float, error: str = "") -> Span:
    return Span(TRACE, number, parent, name, Kind.SERVER, Process.API, 1e9 + began, seconds, error, {"http.route": "/x"})


def asked(arguments: Any) -> Call:
    return Call(ROWS[0], None, arguments, None, "r-1")  # type: ignore[arg-type]  # they look at the arguments alone


async def test_a_trace_in_a_line_and_step_by_step() -> None:
    recent = Recent()
    recent.add(span("ask reload", "2", "1", 0.25, 0.5, "PlanMoved"))
    recent.add(span("POST /reload", "1", "", 0.0, 1.0))
    answers = handlers(recent)
    (line,) = Traces.model_validate(await answers["traces"](asked(TracesAsked()))).items
    assert (line.trace, line.ms, line.name, line.steps, line.error) == (TRACE, 1000.0, "POST /reload", 2, "PlanMoved")
    assert (line.where, line.where_ms) == ("POST /reload", 500.0)
    whole = WholeTrace.model_validate(await answers["traces.get"](asked(TraceAsked(trace=TRACE))))
    assert [(step.depth, step.name, step.after_ms, step.ms, step.own_ms, step.error) for step in whole.items] == [
        (0, "POST /reload", 0.0, 1000.0, 500.0, ""),
        (1, "ask reload", 250.0, 500.0, 500.0, "PlanMoved"),
    ]
    assert (await answers["traces"](asked(TracesAsked(name="login"))))["items"] == []
    assert len((await answers["traces"](asked(TracesAsked(failed=True))))["items"]) == 1


async def test_what_is_not_remembered_and_where_nothing_is() -> None:
    with pytest.raises(NoSuchTrace, match="nothing of this trace"):
        await handlers(Recent())["traces.get"](asked(TraceAsked(trace=TRACE)))
    for name, arguments in (("traces", TracesAsked()), ("traces.get", TraceAsked(trace=TRACE))):
        with pytest.raises(NoSuchTrace) as refused:
            await handlers(None)[name](asked(arguments))
        assert "tracing" in refused.value.hint

"""Which recent traces were slow, and where their time went."""

from __future__ import annotations

from appliance.management.tracing.recent import MOST_OF_A_TRACE, MOST_SPANS, MOST_TRACES, Recent, whole
from appliance.management.tracing.span import Kind, Process, Span


def span(name: str, began: float, seconds: float, parent: str = "", *, trace: str = "t", error: str = "") -> Span:
    """One whose number is its name."""
    return Span(trace, name, parent, name, Kind.INTERNAL, Process.API, began, seconds, error, {})


def test_each_step_stands_below_the_one_it_is_within_with_the_time_of_its_own() -> None:
    request, ask, node, later = (
        span("request", 0.0, 1.0, "of the caller"),
        span("ask", 0.1, 0.6, "request"),
        span("node", 0.2, 0.4, "ask", error="NoSuchName"),
        span("later", 0.8, 0.1, "request"),
    )
    found = whole([node, later, ask, request])  # the innermost ends first
    assert [(step.depth, step.span.name, round(step.own, 6)) for step in found.steps] == [
        (0, "request", 0.3),
        (1, "ask", 0.2),
        (2, "node", 0.4),
        (1, "later", 0.1),
    ]
    assert (found.began, found.seconds, found.error) == (0.0, 1.0, "NoSuchName")
    assert found.where.span.name == "node"


def test_steps_at_the_same_time_and_those_that_outlast_theirs_are_counted_once() -> None:
    job = span("job", 0.0, 1.0)
    found = whole([job, span("a", 0.2, 0.4, "job"), span("b", 0.4, 0.4, "job"), span("c", 0.9, 5.0, "job")])
    assert round(found.steps[0].own, 6) == 0.3
    assert found.seconds == 5.9


def test_a_step_whose_outer_one_is_elsewhere_stands_first() -> None:
    found = whole([span("inner", 1.0, 1.0, "unknown"), span("itself", 0.0, 0.5, "itself")])
    assert [(step.depth, step.span.name) for step in found.steps] == [(0, "itself"), (0, "inner")]


def test_the_slowest_come_first_and_may_be_chosen() -> None:
    recent = Recent()
    for number, seconds in enumerate((0.1, 0.5, 0.3)):
        recent.add(span("GET /a" if number else "GET /b", 0.0, seconds, trace=str(number), error="bug" if number == 2 else ""))
    assert [found.trace for found in recent.slowest(2)] == ["1", "2"]
    assert [found.trace for found in recent.slowest(9, "/b")] == ["0"]
    assert [found.trace for found in recent.slowest(9, failed=True)] == ["2"]
    assert recent.get("7") is None


def test_what_is_remembered_has_bounds() -> None:
    recent = Recent()
    for number in range(MOST_TRACES + 5):
        recent.add(span("x", 0.0, 1.0, trace=str(number)))
    assert len(recent.slowest(10_000)) == MOST_TRACES
    assert recent.get("4") is None
    assert recent.get("5") is not None

    recent = Recent()
    for number in range(MOST_OF_A_TRACE + 7):
        recent.add(span(str(number), 0.0, 1.0))
    assert recent.dropped == 7

    recent = Recent()
    most = MOST_SPANS // MOST_OF_A_TRACE
    for trace in range(most + 1):
        for number in range(MOST_OF_A_TRACE):
            recent.add(span(str(number), 0.0, 1.0, trace=str(trace)))
    assert len(recent.slowest(10_000)) == most

"""Which recent traces were slow, and where their time went."""

from __future__ import annotations

from appliance.management.tracing.recent import KEPT_SECONDS, MOST_NEWEST, MOST_OF_A_TRACE, MOST_SLOW, MOST_SPANS, Recent, whole
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
    assert (found.began, found.error) == (0.0, "NoSuchName")
    assert (found.longest.span.name, found.where.span.name) == ("request", "node")


def test_steps_at_the_same_time_and_those_that_outlast_theirs_are_counted_once() -> None:
    job = span("job", 0.0, 1.0)
    found = whole([job, span("a", 0.2, 0.4, "job"), span("b", 0.4, 0.4, "job"), span("c", 0.9, 5.0, "job")])
    assert round(found.steps[0].own, 6) == 0.3
    assert found.longest.span.name == "c"


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


def test_fast_ones_do_not_push_out_the_slow_one_of_a_minute_ago() -> None:
    recent = Recent()
    recent.add(span("slow", 0.0, 9.0, trace="slow"))
    recent.add(span("inner", 1.0, 1.0, "slow", trace="slow"))
    for number in range(10 * (MOST_NEWEST + MOST_SLOW)):
        recent.add(span("fast", number / 200, 0.001 + number / 1e9, trace=str(number)))
    assert recent.slowest(1)[0].trace == "slow"
    assert len(recent.slowest(10_000)) == MOST_NEWEST + MOST_SLOW
    recent.add(span("late", 2.0, 1.0, "slow", trace="slow"))
    assert [step.span.name for step in (recent.get("slow") or whole([])).steps] == ["slow", "inner", "late"]
    assert recent.dropped == 0


def test_an_hour_later_slow_ones_make_room_for_others() -> None:
    recent = Recent()
    for number in range(MOST_NEWEST + MOST_SLOW):
        recent.add(span("slow", 0.0, 9.0, trace=f"old {number}"))
    for number in range(MOST_NEWEST + 1):
        recent.add(span("less slow", KEPT_SECONDS + 10, 1.0, trace=str(number)))
    assert recent.get("old 0") is None
    assert recent.get("0") is not None, "it is one of the newest no more, and slower than any of this hour"


def test_what_is_remembered_has_bounds() -> None:
    recent = Recent()
    for number in range(MOST_OF_A_TRACE + 7):
        recent.add(span(str(number), 0.0, 1.0))
    assert recent.dropped == 7
    assert [step.span.name for step in (recent.get("t") or whole([])).steps][-1] == str(MOST_OF_A_TRACE + 6), "the newest"

    recent = Recent()
    for trace in range(3 * MOST_SPANS // MOST_OF_A_TRACE):
        for number in range(MOST_OF_A_TRACE):
            recent.add(span(str(number), 0.0, float(trace), trace=str(trace)))
    assert sum(len(found.steps) for found in recent.slowest(10_000)) == 2 * MOST_SPANS

"""Spans, from their beginning to plain values that another process reads."""

from __future__ import annotations

import json
from itertools import count

import pytest

from appliance.management.tracing.context import Trace
from appliance.management.tracing.span import MOST_TEXT, Clocks, Kind, Process, Recorder, Span

CALLER = Trace("a" * 32, "b" * 16, "01")


class Recorded:
    """A recorder, its clock and what it kept."""

    def __init__(self, sample: float = 0.0) -> None:
        self.now = 100.0
        self.kept: list[Span] = []
        numbers = count(1)
        clocks = Clocks(lambda: 1e9 + self.now, lambda: self.now, lambda size: next(numbers).to_bytes(size, "big"))
        self.recorder = Recorder(Process.API, self.kept.append, clocks, sample)


def test_a_request_of_a_trace_and_a_step_within_it() -> None:
    rig = Recorded()
    trace, outer = rig.recorder.request(str(CALLER), "GET", Kind.SERVER)
    assert outer is not None
    inner = rig.recorder.step("ask status", Kind.CLIENT, trace)
    assert inner is not None
    rig.now += 0.5
    inner.error = "NodeGone"
    inner.end()
    inner.end()
    rig.now += 0.25
    outer.name = "GET /status"
    outer.attributes["http.response.status_code"] = 502
    outer.end()
    asked, request = rig.kept
    assert (asked.parent, asked.seconds, asked.error) == (request.span, 0.5, "NodeGone")
    assert (request.parent, request.name, request.seconds) == (CALLER.span, "GET /status", 0.75)
    assert {span.trace for span in rig.kept} == {CALLER.trace}
    assert request.began == 1e9 + 100.0


def test_what_is_not_recorded_has_no_span_and_neither_has_what_is_within_it() -> None:
    rig = Recorded(sample=1.0)
    trace, span = rig.recorder.request(f"00-{CALLER.trace}-{CALLER.span}-00", "GET", Kind.SERVER)
    assert span is None
    assert rig.recorder.step("ask status", Kind.CLIENT, trace) is None
    assert rig.recorder.request("", "GET", Kind.SERVER)[1] is not None, "one that begins here, of which all are wanted"


def test_a_span_goes_through_json_and_nothing_else_does() -> None:
    rig = Recorded(sample=1.0)
    _, span = rig.recorder.request("", "x" * 5000, Kind.SERVER)
    assert span is not None
    span.attributes |= {"text": "y" * 5000, "number": 7, "well": True}
    span.end()
    (kept,) = rig.kept
    assert (len(kept.name), len(str(kept.attributes["text"]))) == (MOST_TEXT, MOST_TEXT)
    assert Span.of(json.loads(json.dumps(kept))) == kept
    for wrong in ([], kept._replace(kind="sideways"), [*kept, 1]):  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError)):
            Span.of(wrong)

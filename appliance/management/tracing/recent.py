"""The traces of the last while, and where their time went. Pure.

A span's own time is what no span within it accounts for: of three spans that wait for each other only the innermost has it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from appliance.management.tracing.span import Span

MOST_TRACES: Final = 512
MOST_OF_A_TRACE: Final = 128
"""Spans. A caller chooses which trace it belongs to, and may put all it does into one."""
MOST_SPANS: Final = 4096
"""In all: about 4 MB."""


class Step(NamedTuple):
    """A span in its place."""

    depth: int
    """How many spans of this node it is within."""
    own: float
    """Seconds that no span within it accounts for."""
    span: Span


class Whole(NamedTuple):
    """A trace, as far as this node has it."""

    trace: str
    began: float
    """Unix seconds."""
    seconds: float
    """From the beginning of its first span to the end of its last one."""
    steps: Sequence[Step]
    """Outer ones before inner ones, then in the order in which they began."""

    @property
    def where(self) -> Step:
        """The step that took most of the time by itself."""
        return max(self.steps, key=lambda step: step.own)

    @property
    def error(self) -> str:
        """The innermost one's that failed; "" if none did."""
        return next((step.span.error for step in sorted(self.steps, key=lambda each: -each.depth) if step.span.error), "")


class Recent:
    """Spans of the newest traces. Those whose last span came longest ago go first."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, list[Span]] = OrderedDict()
        self._spans = 0
        self.dropped = 0
        """Spans for which their trace had no more room."""

    def add(self, span: Span) -> None:
        """Remember it."""
        spans = self._traces.setdefault(span.trace, [])
        self._traces.move_to_end(span.trace)
        if len(spans) >= MOST_OF_A_TRACE:
            self.dropped += 1
            return
        spans.append(span)
        self._spans += 1
        while len(self._traces) > MOST_TRACES or self._spans > MOST_SPANS:
            self._spans -= len(self._traces.popitem(last=False)[1])

    def get(self, trace: str) -> Whole | None:
        """The trace of that identifier; None if nothing of it is remembered."""
        spans = self._traces.get(trace)
        return None if spans is None else whole(spans)

    def slowest(self, most: int, name: str = "", *, failed: bool = False) -> list[Whole]:
        """Those that took longest first: of those that have a span with `name` in its own, and one that `failed`."""
        found = (spans for spans in self._traces.values() if any(name in span.name for span in spans))
        told = [whole(spans) for spans in found if not failed or any(span.error for span in spans)]
        return sorted(told, key=lambda each: -each.seconds)[:most]


def whole(spans: Sequence[Span]) -> Whole:
    """The trace that these are of."""
    known = {span.span for span in spans}
    within: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda each: each.began):
        within.setdefault(span.parent if span.parent in known and span.parent != span.span else "", []).append(span)
    began = min(span.began for span in spans)
    seconds = max(span.began + span.seconds for span in spans) - began
    return Whole(spans[0].trace, began, seconds, [*_steps(within)])


def _steps(within: dict[str, list[Span]]) -> Iterable[Step]:
    waiting = [(0, span) for span in reversed(within.get("", []))]
    while waiting:
        depth, span = waiting.pop()
        inner = within.pop(span.span, [])
        yield Step(depth, _own(span, inner), span)
        waiting += [(depth + 1, each) for each in reversed(inner)]


def _own(span: Span, inner: Sequence[Span]) -> float:
    """What is left of it without those within, which may overlap, and may outlast it."""
    end, reached = span.began + span.seconds, span.began
    own = 0.0
    for each in inner:
        own += max(0.0, min(each.began, end) - reached)
        reached = max(reached, each.began + each.seconds)
    return own + max(0.0, end - reached)

"""The newest traces, the slowest of the last hour, and where their time went. Pure.

A span's own time is what no span within it accounts for: of three spans that wait for each other only the innermost has it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

from appliance.management.tracing.span import Span

MOST_NEWEST, MOST_SLOW = 256, 256
"""Traces. A busy API server has two hundred new ones a second, which must not push out the slow one of a minute ago."""
MOST_OF_A_TRACE: Final = 64
"""Spans, the newest. A caller chooses which trace it belongs to, and may put all it does into one."""
MOST_SPANS: Final = 2048
"""Of the newest, and of the slow traces: about 2 MB each."""
KEPT_SECONDS: Final = 3600.0
"""How long slow traces are remembered."""


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
    steps: Sequence[Step]
    """Outer ones before inner ones, then in the order in which they began."""

    @property
    def longest(self) -> Step:
        """The step that took longest with all within it. How long the whole took says nothing: a caller may do one thing today
        and another tomorrow in one trace."""
        return max(self.steps, key=lambda step: step.span.seconds)

    @property
    def where(self) -> Step:
        """The step that took most of the time by itself."""
        return max(self.steps, key=lambda step: step.own)

    @property
    def error(self) -> str:
        """The innermost one's that failed; "" if none did."""
        return next((step.span.error for step in sorted(self.steps, key=lambda each: -each.depth) if step.span.error), "")


class Recent:
    """Remembers spans, by trace."""

    def __init__(self) -> None:
        self._newest: OrderedDict[str, deque[Span]] = OrderedDict()
        self._newest_spans = 0
        self._slow: dict[str, _Slow] = {}
        """In the order in which they were the newest no more."""
        self._slow_spans = 0
        self._least = 0.0
        """Seconds of the fastest of the slow ones, while there is no room for more."""
        self.dropped = 0
        """Spans for which their trace had no more room."""

    def add(self, span: Span) -> None:
        """Remember it."""
        spans = self._slow[span.trace].spans if span.trace in self._slow else self._newest.setdefault(span.trace, deque())
        if len(spans) >= MOST_OF_A_TRACE:
            spans.popleft()
            self.dropped += 1
        elif span.trace in self._slow:
            self._slow_spans += 1
        else:
            self._newest_spans += 1
        spans.append(span)
        if span.trace not in self._slow:
            self._newest.move_to_end(span.trace)
        while len(self._newest) > MOST_NEWEST or self._newest_spans > MOST_SPANS:
            trace, left = self._newest.popitem(last=False)
            self._newest_spans -= len(left)
            self._keep(trace, left, span.began)

    def get(self, trace: str) -> Whole | None:
        """The trace of that identifier; None if nothing of it is remembered."""
        if trace in self._slow:
            return whole(self._slow[trace].spans)
        spans = self._newest.get(trace)
        return None if spans is None else whole(spans)

    def slowest(self, most: int, name: str = "", *, failed: bool = False) -> list[Whole]:
        """Those that took longest first: of those that have a span with `name` in its own, and one that `failed`."""
        known = chain(self._newest.values(), (each.spans for each in self._slow.values()))
        found = (spans for spans in known if any(name in span.name for span in spans))
        told = [whole(spans) for spans in found if not failed or any(span.error for span in spans)]
        return sorted(told, key=lambda each: -each.longest.span.seconds)[:most]

    def _keep(self, trace: str, spans: deque[Span], now: float) -> None:
        """A trace is one of the newest no more: is it slower than those that are kept?"""
        while self._slow and next(iter(self._slow.values())).over < now - KEPT_SECONDS:
            self._forget(next(iter(self._slow)))
        over = max(span.began + span.seconds for span in spans)
        if over < now - KEPT_SECONDS:
            return
        seconds = max(span.seconds for span in spans)
        full = len(self._slow) >= MOST_SLOW or self._slow_spans + len(spans) > MOST_SPANS
        if full and seconds <= self._least:
            return
        while len(self._slow) >= MOST_SLOW or self._slow_spans + len(spans) > MOST_SPANS:
            self._forget(min(self._slow, key=lambda each: self._slow[each].seconds))
        self._slow[trace] = _Slow(spans, seconds, over)
        self._slow_spans += len(spans)
        self._least = min(each.seconds for each in self._slow.values())

    def _forget(self, trace: str) -> None:
        self._slow_spans -= len(self._slow.pop(trace).spans)


class _Slow(NamedTuple):
    spans: deque[Span]
    seconds: float
    over: float
    """Unix seconds."""


def whole(spans: Sequence[Span]) -> Whole:
    """The trace that these are of."""
    known = {span.span for span in spans}
    within: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda each: each.began):
        within.setdefault(span.parent if span.parent in known and span.parent != span.span else "", []).append(span)
    return Whole(spans[0].trace, min(span.began for span in spans), [*_steps(within)])


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

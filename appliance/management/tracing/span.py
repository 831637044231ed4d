"""A span: one step of a trace, with when it began and how long it took. Plain values, which any process may hand on. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from appliance.management.tracing.context import Trace, first, read

Value = str | int | float | bool
MOST_TEXT: Final = 200
"""Characters of a name or of a text among the attributes: a caller's words may be in it."""


class Kind(StrEnum):
    """On which side of a call a span is (OpenTelemetry, Trace API, SpanKind)."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class Process(StrEnum):
    """Whose span it is."""

    NODE = "node"
    API = "api"


class Span(NamedTuple):
    """A step that is over."""

    trace: str
    """32 hexadecimal digits."""
    span: str
    """16 hexadecimal digits."""
    parent: str
    """The span that this one is within, perhaps another process's or host's; "" for the first of a trace."""
    name: str
    kind: Kind
    process: Process
    began: float
    """Unix seconds."""
    seconds: float
    error: str
    """Why it went wrong, a code; "" if it did not."""
    attributes: Mapping[str, Value]
    """By OpenTelemetry's semantic conventions where those have a name."""

    @classmethod
    def of(cls, values: Sequence[Any]) -> Span:
        """From the JSON of one, which is a list, as a process of the same version wrote it. Raises TypeError, ValueError."""
        trace, span, parent, name, kind, process, *rest = values
        return cls(trace, span, parent, name, Kind(kind), Process(process), *rest)


class Clocks(NamedTuple):
    """Where time and randomness come from."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]
    entropy: Callable[[int], bytes]


class OpenSpan:
    """A step that is under way. Name, error and attributes may be set until it ends."""

    __slots__ = ("_began", "_end", "_since", "attributes", "error", "kind", "name", "parent", "trace")

    def __init__(
        self, name: str, kind: Kind, trace: Trace, parent: str, began: tuple[float, float], end: Callable[[OpenSpan], None]
    ) -> None:
        """`began`: by the clock of the wall and by the monotonic one. `end(span)` is called once."""
        self.name = name
        self.kind = kind
        self.trace = trace
        self.parent = parent
        self.error = ""
        self.attributes: dict[str, Value] = {}
        self._began, self._since = began
        self._end: Callable[[OpenSpan], None] | None = end

    def end(self) -> None:
        """It is over. Safe to call twice."""
        end, self._end = self._end, None
        if end is not None:
            end(self)

    def over(self, process: Process, monotonic: float) -> Span:
        """What is to be kept of it."""
        attributes = {name: value[:MOST_TEXT] if isinstance(value, str) else value for name, value in self.attributes.items()}
        return Span(
            self.trace.trace,
            self.trace.span,
            self.parent,
            self.name[:MOST_TEXT],
            self.kind,
            process,
            self._began,
            max(0.0, monotonic - self._since),
            self.error[:MOST_TEXT],
            attributes,
        )


class Recorder:
    """Begins the spans of one process; `keep` gets each that is over. What is not sampled has no span, and costs nothing more."""

    def __init__(self, process: Process, keep: Callable[[Span], None], clocks: Clocks, sample: float = 0.0) -> None:
        self.sample = sample
        """The share of new traces that are recorded, 0 to 1."""
        self._process = process
        self._keep = keep
        self._clocks = clocks

    def request(self, traceparent: str, name: str, kind: Kind) -> tuple[Trace, OpenSpan | None]:
        """Our step of the trace that a caller names, or the first of a new one; and its span if it is recorded."""
        caller = read(traceparent)
        trace = first(self.sample, self._clocks.entropy) if caller is None else caller.below(self._clocks.entropy)
        return trace, self._begun(name, kind, trace, "" if caller is None else caller.span) if trace.sampled else None

    def step(self, name: str, kind: Kind, within: Trace) -> OpenSpan | None:
        """A span within another; None if the trace is not recorded."""
        return self._begun(name, kind, within.below(self._clocks.entropy), within.span) if within.sampled else None

    def _begun(self, name: str, kind: Kind, trace: Trace, parent: str) -> OpenSpan:
        return OpenSpan(name, kind, trace, parent, (self._clocks.wall(), self._clocks.monotonic()), self._over)

    def _over(self, span: OpenSpan) -> None:
        self._keep(span.over(self._process, self._clocks.monotonic()))

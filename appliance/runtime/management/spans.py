"""Spans of the node itself, handed to the API server, which keeps them and sends them on.

This process has privileges, and so neither OpenTelemetry nor a connection to anybody's collector: it makes plain records, and the
API server, which has none, follows them. While nobody follows there are none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

from appliance.control.conversation import Operation, Request
from appliance.errors import ApplianceError
from appliance.foundation import clock, entropy
from appliance.management.tracing.context import read
from appliance.management.tracing.span import Clocks, Kind, OpenSpan, Process, Recorder, Span, Value

MOST_WAITING: Final = 1024
"""Spans that wait for the API server. It is told how many had no place."""
MOST_AT_ONCE: Final = 128
"""Spans in one item: about 40 kB of JSON, in a millisecond."""
TOGETHER_SECONDS: Final = 0.05
"""How long a span waits for others that go with it: each item costs both processes more than the spans in it."""


class NodeSpans:
    """Begins spans of this process, and tells those that are over."""

    def __init__(self) -> None:
        self._waiting: deque[Span] = deque()
        self._there = asyncio.Event()
        self._dropped = 0
        self._followers = 0
        self._recorder = Recorder(Process.NODE, self._keep, Clocks(clock.wall, clock.monotonic, entropy.random_bytes))

    def use(self, sample: float) -> None:
        """Of traces that begin in this process this share is recorded from now on."""
        self._recorder.sample = sample

    @property
    def followed(self) -> bool:
        """Is there somebody to tell?"""
        return bool(self._followers)

    async def follow(self) -> AsyncGenerator[dict[str, Any], None]:
        """Spans, some at a time, each a list in JSON, and how many were `dropped` before them. The first item has none: from
        then on there are spans."""
        self._followers += 1
        try:
            yield {"spans": [], "dropped": 0}
            while True:
                await self._there.wait()
                if len(self._waiting) < MOST_AT_ONCE:
                    await asyncio.sleep(TOGETHER_SECONDS)
                spans = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
                dropped, self._dropped = self._dropped, 0
                if not self._waiting:
                    self._there.clear()
                yield {"spans": spans, "dropped": dropped}
        finally:
            self._followers -= 1

    def stream(self, side: str, name: str, traceparent: str, about: Mapping[str, Value], /) -> tuple[str, OpenSpan | None]:
        """A stream is opened ("client"), or comes in ("server"): the traceparent to pass on, and its span if it is recorded."""
        if not self._followers:
            return traceparent, None
        trace, span = self._recorder.request(traceparent, name, Kind(side))
        if span is None:
            return traceparent or str(trace), None  # whoever goes on learns that it is not recorded
        span.attributes.update(about)
        return str(trace), span

    def around(self, operations: Mapping[str, Operation]) -> dict[str, Operation]:
        """The same operations; those that the API server asks for in a step that is recorded have a span."""
        return {name: each._replace(handler=self._watched(name, each.handler)) for name, each in operations.items()}

    def _watched(self, name: str, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        def handle(request: Request) -> Any:
            answer = handler(request)
            within = read(request.trace) if request.trace and self._followers else None
            span = None if within is None else self._recorder.step(f"node {name}", Kind.SERVER, within)
            if span is None or isinstance(answer, AsyncGenerator):  # a stream has no end that tells anything
                return answer
            span.attributes |= {"rpc.system.name": "appliance", "rpc.method": name}
            return _ending(answer, span)

        return handle

    def _keep(self, span: Span) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(span)
        else:
            self._dropped += 1
        self._there.set()


async def _ending(answer: Awaitable[Any], span: OpenSpan) -> Any:
    try:
        return await answer
    except BaseException as error:
        span.error = error.code if isinstance(error, ApplianceError) else type(error).__name__
        raise
    finally:
        span.end()

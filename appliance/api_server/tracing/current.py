"""The step that is being worked at, and the steps within it. Where nothing is recorded there is none, and that costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from appliance.api_server.asking import Ask
from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError
from appliance.management.tracing.context import Trace
from appliance.management.tracing.span import Kind, OpenSpan, Recorder, Value


class Place(NamedTuple):
    """Where in which trace something is done, and who records it."""

    trace: Trace
    recorder: Recorder


_current: Final[ContextVar[Place | None]] = ContextVar("place", default=None)


def here() -> Place | None:
    """The step that is being worked at; None if it is not recorded."""
    return _current.get()


@contextmanager
def within(place: Place | None, span: OpenSpan | None) -> Iterator[None]:
    """What is done here is part of that step; its span, if it has one, ends here, with why it went wrong."""
    token = _current.set(place)
    try:
        yield
    except BaseException as error:
        if span is not None and not span.error:
            span.error = code_of(error)
        raise
    finally:
        _current.reset(token)
        if span is not None:
            span.end()


@contextmanager
def step(name: str, kind: Kind = Kind.INTERNAL, attributes: Mapping[str, Value] | None = None) -> Iterator[OpenSpan | None]:
    """A step within the current one; None if there is none."""
    place = _current.get()
    span = None if place is None else place.recorder.step(name, kind, place.trace)
    if place is None or span is None:
        yield None
        return
    span.attributes.update(attributes or {})
    with within(place._replace(trace=span.trace), span):
        yield span


@contextmanager
def resumed(place: Place | None, name: str, attributes: Mapping[str, Value]) -> Iterator[OpenSpan | None]:
    """A step within another one that is over already, or within none: work that was asked for there."""
    with within(place, None), step(name, Kind.INTERNAL, attributes) as span:
        yield span


@contextmanager
def asked(recorder: Recorder | None, traceparent: str, name: str, attributes: Mapping[str, Value]) -> Iterator[None]:
    """A request that did not come by itself: one of many on a connection."""
    if recorder is None:
        yield
        return
    trace, span = recorder.request(traceparent, name, Kind.SERVER)
    if span is not None:
        span.attributes.update(attributes)
    with within(None if span is None else Place(trace, recorder), span):
        yield


def traced(ask: Ask) -> Ask:
    """Asks the node as `ask` does, each time as a step of its own, which the node is told."""

    async def in_a_step(op: str, arguments: dict[str, Any], whose: OnBehalf | None, seconds: float) -> Any:
        with step(f"ask {op}", Kind.CLIENT, {"rpc.system.name": "appliance", "rpc.method": op}) as span:
            if span is not None and whose is not None:
                whose = whose._replace(trace=str(span.trace))
            return await ask(op, arguments, whose, seconds)

    def asking(op: str, arguments: dict[str, Any], whose: OnBehalf | None, seconds: float) -> Coroutine[Any, Any, Any]:
        return (ask if _current.get() is None else in_a_step)(op, arguments, whose, seconds)

    return asking


def code_of(error: BaseException) -> str:
    """What stands for an error in a span: its code, and nothing of its words."""
    if isinstance(error, ApplianceError):
        return error.code
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__

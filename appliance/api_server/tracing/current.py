"""The step that is being worked at, and the steps within it. Where the profile has no `management.tracing` there never is one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from appliance.api_server.asking import Ask
from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError
from appliance.management.tracing.context import Trace
from appliance.management.tracing.span import Kind, OpenSpan, Recorder, Value

_current: Final[ContextVar[Trace | None]] = ContextVar("trace", default=None)


def current() -> Trace | None:
    """The step that is being worked at; None if it belongs to no trace."""
    return _current.get()


@contextmanager
def within(trace: Trace | None, span: OpenSpan | None) -> Iterator[None]:
    """What is done here is part of that step; its span, if it has one, ends here, with why it went wrong."""
    token = _current.set(trace)
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
def step(recorder: Recorder | None, name: str, kind: Kind, attributes: Mapping[str, Value]) -> Iterator[OpenSpan | None]:
    """A step within the current one; None if there is none, or it is not recorded."""
    outer = _current.get()
    span = None if recorder is None or outer is None else recorder.step(name, kind, outer)
    if span is None:
        yield None
        return
    span.attributes.update(attributes)
    with within(span.trace, span):
        yield span


def traced(ask: Ask, recorder: Recorder) -> Ask:
    """Asks the node as `ask` does, each time as a step of its own, which the node is told."""

    async def asked(op: str, arguments: dict[str, object], whose: OnBehalf | None, seconds: float) -> object:
        with step(
            recorder, f"ask {op}", Kind.CLIENT, {"rpc.system": "appliance", "rpc.service": "node", "rpc.method": op}
        ) as span:
            if span is not None and whose is not None:
                whose = whose._replace(trace=str(span.trace))
            return await ask(op, arguments, whose, seconds)

    return asked


def code_of(error: BaseException) -> str:
    """What stands for an error in a span: its code, and nothing of its words."""
    if isinstance(error, ApplianceError):
        return error.code
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__

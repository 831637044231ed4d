"""Which trace a call belongs to, as W3C Trace Context writes it: carried from caller to service, and never made here.

    with continued(connection.traceparent): …     calls in here belong to the caller's trace

Where a program uses OpenTelemetry, its current span counts, unless `continued` says another. Nothing of it is imported here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

_FORM: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
"""W3C Trace Context, section 3.2.2: identifiers of zeros alone are none."""
_current: ContextVar[str] = ContextVar("traceparent", default="")


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """Calls in the context belong to that trace. Raises ValueError for what is no traceparent; "" is none."""
    if traceparent and not _FORM.fullmatch(traceparent):
        raise ValueError("that is no traceparent of W3C Trace Context")
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> str:
    """The traceparent of the call that is made now; "" if it belongs to no trace."""
    return continues() or _of_opentelemetry()


def continues() -> str:
    """What `continued` says here; "" outside."""
    return _current.get()


def _of_opentelemetry() -> str:
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ""
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}" if span.is_valid else ""

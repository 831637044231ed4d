"""For programs that record spans with OpenTelemetry: the calls that they make, and the callers that they serve, as spans.

    client = Client(interceptors=[spans.calls()])
    await client.serve("echo", spans.served(handle))

Where they go is the program's matter: its TracerProvider says it. Needs `opentelemetry-api`, which such a program has; nothing
else of the SDK loads it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from appliance.errors import ApplianceError
from appliance.sdk import tracing
from appliance.sdk.connection import Connection
from appliance.sdk.interceptors import Call, Interceptor, Proceed

SCOPE: Final = "appliance.sdk"


def calls(provider: trace.TracerProvider | None = None) -> Interceptor[Any]:
    """An interceptor: each call is a span, within the trace that is continued, else within the program's current span. All
    attempts of one call are one span. Without `provider` the program's own one is asked."""
    tracer = trace.get_tracer(SCOPE, tracer_provider=provider)

    async def called(call: Call, proceed: Proceed[Any]) -> Any:
        about = {"appliance.service": call.service, "appliance.peer": call.to}
        return await _within(tracer, f"call {call.service}", SpanKind.CLIENT, tracing.continues(), about, lambda: proceed(call))

    return called


def served(
    handle: Callable[[Connection], Awaitable[None]], provider: trace.TracerProvider | None = None
) -> Callable[[Connection], Awaitable[None]]:
    """The same handler; each caller is a span, from when it comes until it is handled, within the caller's trace."""
    tracer = trace.get_tracer(SCOPE, tracer_provider=provider)

    async def handled(connection: Connection) -> None:
        about = {"appliance.service": connection.service, "appliance.peer": connection.peer}
        name = f"handle {connection.service}"
        await _within(tracer, name, SpanKind.SERVER, connection.traceparent, about, lambda: handle(connection))

    return handled


async def _within(
    tracer: trace.Tracer, name: str, kind: SpanKind, traceparent: str, about: dict[str, str], work: Callable[[], Awaitable[Any]]
) -> Any:
    span = tracer.start_span(name, _context(traceparent), kind, about)
    context = span.get_span_context()
    ours = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}" if context.is_valid else ""
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            with tracing.continued(ours or traceparent):
                return await work()
        except Exception as error:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", error.code if isinstance(error, ApplianceError) else type(error).__name__)
            raise


def _context(traceparent: str) -> Context | None:
    """None: the program's current one."""
    if not traceparent:
        return None
    _, number, span, flags = traceparent.split("-")[:4]
    parent = SpanContext(int(number, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(NonRecordingSpan(parent))

"""Calls and callers as spans of OpenTelemetry's."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from appliance.sdk import Call, Connection, ServiceNotFound, continued
from appliance.sdk.interceptors import chained
from appliance.sdk.spans import calls, served
from appliance.sdk.tracing import current

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(kept: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(kept))
    return made


async def said(call: Call) -> str:
    """What the node would be told."""
    if call.service == "nothing":
        raise ServiceNotFound("laptop has no service nothing")
    return current()


async def test_a_call_is_a_span_of_the_trace_that_is_continued(provider: TracerProvider, kept: InMemorySpanExporter) -> None:
    call = chained([calls(provider)], said)
    with continued(TRACEPARENT):
        told = await call(Call("laptop", "echo"))
        assert current() == TRACEPARENT
    (span,) = kept.get_finished_spans()
    context = span.get_span_context()
    assert context is not None
    assert span.parent is not None
    assert (f"{context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, CALLER)
    assert told == f"00-{TRACE}-{context.span_id:016x}-01", "the node's step is within ours"
    assert span.name == "call echo"
    assert dict(span.attributes or {}) == {"appliance.service": "echo", "appliance.peer": "laptop"}


async def test_a_call_of_a_program_that_records_spans_is_within_its_current_one(
    provider: TracerProvider, kept: InMemorySpanExporter
) -> None:
    call = chained([calls(provider)], said)
    with provider.get_tracer("program").start_as_current_span("work"):
        await call(Call("laptop", "echo"))
    inner, outer = kept.get_finished_spans()
    assert inner.parent == outer.get_span_context()
    await call(Call("laptop", "echo"))
    assert kept.get_finished_spans()[-1].parent is None, "one that begins here"


async def test_a_call_that_fails_has_the_code(provider: TracerProvider, kept: InMemorySpanExporter) -> None:
    with pytest.raises(ServiceNotFound):
        await chained([calls(provider)], said)(Call("laptop", "nothing"))
    (span,) = kept.get_finished_spans()
    assert not span.status.is_ok
    assert (span.attributes or {})["error.type"] == "ServiceNotFound"
    assert not span.events, "nothing of its words"


async def test_what_is_not_recorded_says_so_to_the_node() -> None:
    told = await chained([calls(TracerProvider(sampler=ALWAYS_OFF))], said)(Call("laptop", "echo"))
    assert not int(told[-2:], 16) & 1
    assert (await chained([calls()], said)(Call("laptop", "echo"))) == "", "a program without a provider"


async def test_a_caller_is_a_span_within_its_trace(provider: TracerProvider, kept: InMemorySpanExporter) -> None:
    seen: list[str] = []

    async def handle(_connection: Connection) -> None:
        seen.append(current())

    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003
    about: dict[str, Any] = {"service": "echo", "peer": "laptop", "traceparent": TRACEPARENT}
    with theirs:
        connection = Connection(ours, about)
        await served(handle, provider)(connection)
        await connection.close()
    (span,) = kept.get_finished_spans()
    context = span.get_span_context()
    assert context is not None
    assert seen == [f"00-{TRACE}-{context.span_id:016x}-01"]
    assert (span.name, span.kind.name) == ("handle echo", "SERVER")

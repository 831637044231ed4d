"""Requests as spans, behind the real edge."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from appliance.api_server.tracing.current import step
from appliance.api_server.tracing.requests import routed, trace_fields
from appliance.foundation import clock, entropy
from appliance.management.operations.table import BY_NAME
from appliance.management.tracing.span import Clocks, Kind, Process, Recorder, Span
from tests.rigs.edge import edged, parsed
from tests.rigs.recording import recorded

TRACE, CALLER = "a" * 32, "b" * 16


def recorder(kept: list[Span], sample: float = 0.0) -> Recorder:
    return Recorder(Process.API, kept.append, Clocks(clock.wall, clock.monotonic, entropy.random_bytes), sample)


async def test_a_request_is_a_step_of_the_callers_trace() -> None:
    kept: list[Span] = []
    async with edged(recorder=recorder(kept)) as server:
        _, fields, _ = await server.get("/?token=secret", Traceparent=f"00-{TRACE}-{CALLER}-01", X_Request_Id="r-1")
        await server.get()
        await server.get(Traceparent=f"00-{TRACE}-{CALLER}-00")
    (span,) = kept
    assert fields["traceparent"] == f"00-{TRACE}-{span.span}-01"
    assert (span.parent, span.kind, span.name, span.error) == (CALLER, Kind.SERVER, "GET", "")
    assert span.attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "appliance.request.id": "r-1",
        "http.response.status_code": 200,
    }


async def test_who_is_refused_at_the_edge_is_no_step() -> None:
    kept: list[Span] = []
    async with edged(recorder=recorder(kept, 1.0)) as server:
        assert (await server.get(Host="evil.example.net"))[0] == 421
        assert not kept
        assert (await server.get())[0] == 200
    assert len(kept) == 1


async def test_a_stream_is_a_step_until_its_answer_begins() -> None:
    kept: list[Span] = []
    async with edged(recorder=recorder(kept, 1.0)) as server:
        reader, writer = await server.connect()
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(60):
            assert parsed(await reader.readuntil(b"\r\n\r\n"))[0] == 200
        assert [span.attributes["http.response.status_code"] for span in kept] == [200]
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    assert len(kept) == 1


def test_a_route_gives_the_span_its_name_over_http_and_grpc() -> None:
    with recorded() as kept:
        for more in ({}, {"row": BY_NAME["users.list"]}):
            with step("GET") as span:
                routed({"state": {"span": span}, **more}, BY_NAME["users.list"])
    routed({}, BY_NAME["users.list"])
    assert [(span.name, span.attributes) for span in kept] == [
        ("GET /api/v1/users", {"http.route": "/api/v1/users"}),
        ("users.list", {"rpc.system.name": "grpc", "rpc.method": "users.list"}),
    ]


def test_the_log_has_the_step_that_the_guard_wrote_down() -> None:
    assert trace_fields({"traceparent": f"00-{TRACE}-{CALLER}-00"}) == {"trace_id": TRACE, "span_id": CALLER}
    assert trace_fields({}) == {}

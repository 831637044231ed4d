"""A request as a span, by OpenTelemetry's semantic conventions for HTTP and RPC. No address, query, token or user is in it: the
log has who it was, by the request's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.types import Message, Scope

from appliance.management.operations.row import Row
from appliance.management.tracing.context import read
from appliance.management.tracing.span import OpenSpan

_SPAN: Final = "span"
"""Where in a scope's state the span of the request is."""
SWITCHING: Final = 101
"""Switching Protocols: the answer to a WebSocket that is taken (RFC 9110, section 15.2.2)."""


def began(span: OpenSpan, scope: Scope, request: str) -> None:
    """A request came in. Its name is the method alone until a route is found."""
    method = str(scope.get("method", "GET"))
    span.name = method
    span.attributes |= {"http.request.method": method, "url.scheme": scope["scheme"], "appliance.request.id": request}
    scope["state"] = {**scope.get("state", {}), _SPAN: span}


def state_within(scope: Scope) -> dict[str, Any]:
    """For a request that is carried out for another one: whose span that is stays with the outer one."""
    return {name: value for name, value in scope.get("state", {}).items() if name != _SPAN}


def routed(scope: Scope, row: Row) -> None:
    """It is for that row."""
    span: OpenSpan | None = scope.get("state", {}).get(_SPAN)
    if span is None:
        return
    if "row" in scope:  # as gRPC has it
        span.name = row.name
        span.attributes |= {"rpc.system.name": "grpc", "rpc.method": row.name}
    else:
        span.name = f"{row.verb} {row.full_path}"
        span.attributes["http.route"] = row.full_path


def ended(span: OpenSpan, message: Message) -> None:
    """The answer begins. An answer without an end of its own is a step until here."""
    match message:
        case {"type": "http.response.start" | "websocket.http.response.start", "status": status}:
            span.attributes["http.response.status_code"] = status
            if status >= 500:
                span.error = str(status)
            if any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"]):
                span.end()
        case {"type": "websocket.accept"}:
            span.attributes["http.response.status_code"] = SWITCHING
            span.end()


def trace_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """For a line of the log: the trace that a request belongs to, and its own step there, as the guard wrote them down."""
    trace = read(headers.get("traceparent", ""))
    return {} if trace is None else {"trace_id": trace.trace, "span_id": trace.span}

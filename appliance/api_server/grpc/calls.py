"""A call as the request over HTTP that it stands for: who asks, what he may, how often and with what is judged there.

message ─ JSON ─ the edge's guard ─ the row's endpoint ─ JSON ─ message, or a status and the problem in the trailing metadata
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import grpc
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.api_server.answering import Answering
from appliance.api_server.as_request import SentEvents, received, written
from appliance.api_server.edge import forwarded
from appliance.api_server.grpc.messages import fill, json_of
from appliance.api_server.problems import MEDIA_TYPE
from appliance.foundation.logging import get_logger
from appliance.management.operations.row import Row

log = get_logger("api")

TAKEN: Final = {"authorization", "idempotency-key", "if-match", "traceparent", "x-request-id", *forwarded.HEADERS}
"""Keys of metadata that are header fields."""
TOLD: Final = ("x-request-id", "traceparent", "retry-after", "age", "cache-status")
MOST_PROBLEM: Final = 4096
"""Bytes of JSON in the trailing metadata; clients take 8 KiB of metadata."""
CODES: Final = {
    HTTPStatus.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: grpc.StatusCode.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    HTTPStatus.PRECONDITION_FAILED: grpc.StatusCode.ABORTED,
    HTTPStatus.UNPROCESSABLE_ENTITY: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.INTERNAL_SERVER_ERROR: grpc.StatusCode.INTERNAL,
    HTTPStatus.BAD_GATEWAY: grpc.StatusCode.UNAVAILABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""By the status that HTTP has for the same problem; all others are UNKNOWN."""


def endpoints(answering: Answering) -> ASGIApp:
    """The application behind the guard: the row stands in the scope, so that no argument can lead to another one's path."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answering.endpoint(scope["row"])(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


class Calls:
    """Of one method. `app` is the guard before `endpoints`."""

    def __init__(
        self,
        row: Row,
        app: ASGIApp,
        answer: Callable[[], Any],
        who: Callable[[Any], Any],
        sender: Callable[[str], str],
        late: set[Any],
    ) -> None:
        """`sender`: the address of whom the library calls so."""
        self._row = row
        self._app = app
        self._answer = answer
        self._who = who
        self._sender = sender
        self._late = late

    async def unary(self, message: Any, context: Any) -> Any:
        """One question, one answer."""
        got = _Answer(None)
        asking = asyncio.get_running_loop().create_task(self._asked(message, context, got), name=self._row.name)
        self._late.add(asking)
        asking.add_done_callback(self._late.discard)
        try:
            await asyncio.shield(asking)
        except asyncio.CancelledError:
            if not self._row.changes:  # a change that was begun goes on to its end, as over HTTP
                asking.cancel()
            raise
        except Exception:
            log.exception("a call failed", operation=self._row.name)
            await self._fail(context)
        await self._refuse(got, context)
        context.set_trailing_metadata(got.metadata())
        return await self._filled(self._answer(), json.loads(got.body) if got.body else {}, context)

    async def stream(self, message: Any, context: Any) -> None:
        """One question, items until the stream or the caller ends."""
        items = _Items(self._answer, context)
        got = _Answer(items)
        try:
            await self._asked(message, context, got)
        except Exception:
            if context.done():
                return  # nobody is there any more
            log.exception("a call failed", operation=self._row.name)
            await self._fail(context)
        await self._refuse(got, context)
        context.set_trailing_metadata(got.metadata())

    async def _asked(self, message: Any, context: Any, got: _Answer) -> None:
        scope = _scope(self._row, context, self._who(context), self._sender(context.peer()))
        scope["path_params"], scope["query_string"], body = written(self._row, json_of(message))
        await self._app(scope, received(body), got.send)

    async def _refuse(self, got: _Answer, context: Any) -> None:
        if got.headers.get("content-type", "").startswith(MEDIA_TYPE):
            problem = json.loads(got.body)
            code = CODES.get(HTTPStatus(got.status), grpc.StatusCode.UNKNOWN)
            await context.abort(code, problem["detail"][:500], (*got.metadata(), ("problem-bin", _short(problem))))

    async def _filled(self, message: Any, value: Any, context: Any) -> Any:
        try:
            return fill(message, value)
        except Exception:
            log.exception("a call failed", operation=self._row.name)
            await self._fail(context)

    async def _fail(self, context: Any) -> None:
        """A mistake of ours. What it was is in the log alone: gRPC would tell it the caller."""
        await context.abort(grpc.StatusCode.INTERNAL, f"{self._row.name} failed: this should not have happened")


class _Answer:
    """What the application sends. Of a stream, `items` gets the pieces of the body."""

    def __init__(self, items: _Items | None) -> None:
        self.status = 500
        self.headers = Headers()
        self.body = b""
        self._items = items

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], Headers(raw=message.get("headers", []))
        elif self._items is not None and self.headers.get("content-type", "").startswith("text/event-stream"):
            await self._items.take(message.get("body", b""))
        else:
            self.body += message.get("body", b"")

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, self.headers[name]) for name in TOLD if name in self.headers)


class _Items:
    """Server-sent events, as the API server writes them, each as a message."""

    def __init__(self, item: Callable[[], Any], context: Any) -> None:
        self._item = item
        self._context = context
        self._read = SentEvents()

    async def take(self, piece: bytes) -> None:
        for item in self._read.take(piece):
            await self._context.write(fill(self._item(), item))


def _scope(row: Row, context: Any, who: Any, sender: str) -> Scope:
    given = [(key, value) for key, value in context.invocation_metadata() or () if key in TAKEN and isinstance(value, str)]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "2",
        "method": row.verb.value,
        "scheme": "https" if context.auth_context().get("transport_security_type") == [b"ssl"] else "http",
        "path": row.full_path,
        "raw_path": row.full_path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), *((key.encode(), value.encode()) for key, value in given)],
        "client": (sender, 0),
        "server": None,
        "state": {} if who is None else {"who": who},
        "row": row,
    }


def _short(problem: Mapping[str, Any]) -> bytes:
    found = json.dumps(problem, ensure_ascii=False).encode()
    if len(found) <= MOST_PROBLEM:
        return found
    few = {name: value for name, value in problem.items() if name in {"type", "title", "status", "code", "retryable", "instance"}}
    return json.dumps(few).encode()

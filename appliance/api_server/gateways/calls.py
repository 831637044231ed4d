"""Carries out what a gateway asks for: the row's own endpoint answers, for the caller of the gateway's request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Scope

from appliance.api.gateways import ApiOperation
from appliance.api_server.answering import Answering
from appliance.api_server.as_request import SentEvents, received, written
from appliance.api_server.problems import MEDIA_TYPE, NotFound
from appliance.api_server.tracing.current import step
from appliance.api_server.tracing.requests import state_within
from appliance.errors import ApplianceError
from appliance.management.descriptions.models import Models, models
from appliance.management.operations.row import Row
from appliance.management.operations.table import BY_NAME, ROWS

LEFT_OUT: Final = frozenset({b"content-type", b"content-length", b"idempotency-key", b"if-match", b"last-event-id"})
"""Header fields that are about the gateway's request, and not about what it asks for."""
END: Final = object()


def _answered(problem: Mapping[str, Any]) -> ApplianceError:
    """The problem that an operation ended with, under its own code."""
    error = ApplianceError(str(problem["detail"]), hint=str(problem["hint"]))
    error.code = str(problem["code"])
    error.retryable = bool(problem["retryable"])
    return error


class GatewayCalls:
    """`answering` has the endpoints of all rows."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def operations(self) -> Sequence[ApiOperation]:
        """All rows of the table."""
        return _operations()

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """Of what they take and answer."""
        return _models().schemas

    async def call(self, scope: Scope, name: str, arguments: Mapping[str, Any]) -> Any:
        """See `api.gateways.GatewayServices`."""
        row = _row(name, stream=False)
        got = _Whole()
        await self._ask(scope, row, arguments, got.send)
        return got.value()

    async def follow(self, scope: Scope, name: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Mapping[str, Any], None]:
        """See `api.gateways.GatewayServices`."""
        row = _row(name, stream=True)
        items: asyncio.Queue[Any] = asyncio.Queue(1)  # who does not take is not read for
        got = _Items(items)
        asking = asyncio.get_running_loop().create_task(self._ask(scope, row, arguments, got.send), name=name)
        try:
            while (item := await _next(items, asking)) is not END:
                yield item
            await asking
            got.value()
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    async def _ask(self, scope: Scope, row: Row, arguments: Mapping[str, Any], send: Any) -> None:
        path, query, body = written(row, arguments)
        inner = {
            **scope,
            "type": "http",
            "method": row.verb.value,
            "path": row.full_path,
            "raw_path": row.full_path.encode(),
            "query_string": query,
            "path_params": path,
            "headers": [(name, value) for name, value in scope["headers"] if name not in LEFT_OUT],
            "state": state_within(scope),
        }
        receive = received(body)
        with step(row.name):
            response = await self._answering.endpoint(row)(Request(inner, receive))
        async with AsyncExitStack() as ending:
            if isinstance(response, StreamingResponse) and isinstance(response.body_iterator, AsyncGenerator):
                ending.push_async_callback(response.body_iterator.aclose)  # it may be cut off while nobody is within it
            await response(inner, receive, send)


class _Whole:
    """An answer in one piece."""

    def __init__(self) -> None:
        self.kind = ""
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.kind = dict(message.get("headers", [])).get(b"content-type", b"").decode("latin-1")
        else:
            await self.take(message.get("body", b""))

    async def take(self, piece: bytes) -> None:
        self.body += piece

    def value(self) -> Any:
        """The answer. Raises ApplianceError."""
        found = json.loads(self.body) if self.body else None
        if self.kind.startswith(MEDIA_TYPE) and isinstance(found, dict):
            raise _answered(found)
        return found


class _Items(_Whole):
    """An answer that is a stream, unless it is a problem."""

    def __init__(self, items: asyncio.Queue[Any]) -> None:
        super().__init__()
        self._items = items
        self._read = SentEvents()

    async def take(self, piece: bytes) -> None:
        if self.kind.startswith("text/event-stream"):
            for item in self._read.take(piece):
                await self._items.put(item)
        else:
            await super().take(piece)


async def _next(items: asyncio.Queue[Any], asking: asyncio.Task[None]) -> Any:
    """The next item; END when there is none and none comes."""
    if items.empty() and not asking.done():
        getting = asyncio.get_running_loop().create_task(items.get())
        try:
            await asyncio.wait({getting, asking}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
    return END if items.empty() else items.get_nowait()


def _row(name: str, *, stream: bool) -> Row:
    row = BY_NAME.get(name)
    if row is None or row.stream is not stream:
        raise NotFound(f"there is no such operation: {name[:100]}", hint="docs/api.md has them all")
    return row


@cache
def _models() -> Models:
    return models(ROWS)


@cache
def _operations() -> tuple[ApiOperation, ...]:
    known = _models()
    return tuple(
        ApiOperation(row.name, row.summary, row.changes, row.stream, known.of(row.arguments), known.reference(row.result))
        for row in ROWS
    )

"""The gateway: one document is parsed, judged and carried out, each operation in it by the API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    subscribe,
    validate,
)

from appliance.api.gateways import GatewayServices, Receive, Scope, Send
from appliance.api.management import ApplianceError
from appliance_gateway_graphql.limits import MOST_TOKENS, judge
from appliance_gateway_graphql.request import Asked, NoRequest, header, read
from appliance_gateway_graphql.schema import schema_of
from appliance_gateway_graphql.settings import GraphqlSettings

MEDIA_TYPE: Final = "application/graphql-response+json"
EVENTS: Final = "text/event-stream"
MOST_ERRORS: Final = 10
HEARTBEAT: Final = 15.0
"""Seconds without an item after which a comment is sent, so that proxies keep the connection."""


class GraphqlGateway:
    """`api.gateways.Gateway`."""

    def __init__(self, settings: GraphqlSettings, schema: GraphQLSchema) -> None:
        self._settings = settings
        self._schema = schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "subscriptions are server-sent events here"})
            return
        try:
            asked = await read(scope, receive)
            document, operation = self._judged(asked)
            if operation.operation is OperationType.SUBSCRIPTION and EVENTS not in header(scope, b"accept"):
                raise NoRequest(f"a subscription is answered as {EVENTS}: say so in Accept", 406)
        except NoRequest as error:
            await _answer(send, error.status, {"errors": [{"message": error.message}]})
            return
        except GraphQLError as error:
            await _answer(send, 400, {"errors": [_told(error)]})
            return
        if operation.operation is OperationType.SUBSCRIPTION:
            await self._stream(scope, asked, document, receive, send)
        else:
            await self._query(scope, asked, document, send)

    def _judged(self, asked: Asked) -> tuple[DocumentNode, OperationDefinitionNode]:
        """Raises GraphQLError, NoRequest."""
        try:
            document = parse(asked.query, max_tokens=MOST_TOKENS, no_location=False)
        except RecursionError:
            raise NoRequest("the document is nested too deep") from None
        if errors := validate(self._schema, document, max_errors=1):
            raise errors[0]
        operation = get_operation_ast(document, asked.operation)
        if operation is None:
            raise NoRequest("say by `operationName` which operation of the document is meant")
        judge(document, operation, self._settings)
        return document, operation

    async def _query(self, scope: Scope, asked: Asked, document: DocumentNode, send: Send) -> None:
        found = execute(
            self._schema, document, context_value=scope, variable_values=dict(asked.variables), operation_name=asked.operation
        )
        result = found if isinstance(found, ExecutionResult) else await found
        await _answer(send, 200 if result.data is not None else 400, _document(result))

    async def _stream(self, scope: Scope, asked: Asked, document: DocumentNode, receive: Receive, send: Send) -> None:
        found = subscribe(
            self._schema, document, context_value=scope, variable_values=dict(asked.variables), operation_name=asked.operation
        )
        items = found if isinstance(found, ExecutionResult) or not asyncio.iscoroutine(found) else await found
        if isinstance(items, ExecutionResult):
            await _answer(send, 400, _document(items))
            return
        headers = [(b"content-type", EVENTS.encode()), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _until_gone(_sent(cast("AsyncGenerator[ExecutionResult, None]", items), send), receive)


async def _sent(items: AsyncGenerator[ExecutionResult, None], send: Send) -> None:
    """Each item as an event `next`, and `complete` at the end."""

    async def said(text: str, *, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": more})

    following = _task(_next(items))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=HEARTBEAT)
            if not done:
                await said(":\n\n")
                continue
            result = _taken(following)
            if result is None:
                break
            await said(f"event: next\ndata: {json.dumps(_document(result), ensure_ascii=False)}\n\n")
            following = _task(_next(items))
        await said("event: complete\ndata:\n\n", more=False)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await following
        await items.aclose()


def _task(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Of which somebody here takes the result."""
    return asyncio.get_running_loop().create_task(work)


async def _next(items: AsyncGenerator[ExecutionResult, None]) -> ExecutionResult | None:
    return await anext(items, None)


def _taken(following: asyncio.Future[ExecutionResult | None]) -> ExecutionResult | None:
    """The next item, or what the stream ended with, as a last one."""
    error = following.exception()
    if error is None:
        return following.result()
    wrong = (
        error
        if isinstance(error, GraphQLError)
        else GraphQLError("the stream ended", original_error=error if isinstance(error, Exception) else None)
    )
    return ExecutionResult(None, [wrong])


async def _until_gone(sending: Coroutine[Any, Any, None], receive: Receive) -> None:
    task, gone = _task(sending), _task(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.wait({task, gone})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _document(result: ExecutionResult) -> dict[str, Any]:
    told: dict[str, Any] = {"data": result.data}
    if result.errors:
        told["errors"] = [_told(error) for error in result.errors[:MOST_ERRORS]]
    return told


def _told(error: GraphQLError) -> dict[str, Any]:
    """An error for the caller. What is a mistake of ours is in the log of the operation, and not told."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):  # a variable of the wrong type
        cause = cause.original_error
    told: dict[str, Any] = dict(error.formatted)
    if isinstance(cause, ApplianceError):
        document = cause.document()
        told["message"] = document.pop("message")
        told["extensions"] = {name: value for name, value in document.items() if name != "exit"}
    elif cause is not None:
        told["message"] = "this should not have happened"
    return told


async def _answer(send: Send, status: int, told: Any) -> None:
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
    if status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told, ensure_ascii=False).encode()})


@asynccontextmanager
async def opened(settings: GraphqlSettings, services: GatewayServices) -> AsyncIterator[GraphqlGateway]:
    """The gateway."""
    yield GraphqlGateway(settings, schema_of(services))

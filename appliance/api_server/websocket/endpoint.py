"""The WebSocket of the API: at `/api/v1/ws`, beside the rows of the table."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from appliance.api_server.asking import Asking
from appliance.api_server.caller import Bearer, Caller, Forbidden, Unauthenticated, caller_of
from appliance.api_server.edge.limits import Turns
from appliance.api_server.jobs.handlers import TOPICS
from appliance.api_server.jobs.part import JobsPart
from appliance.api_server.problems import NotFound, invalid
from appliance.api_server.tracing.current import asked
from appliance.api_server.websocket.connection import GOING_AWAY, POLICY, UNAUTHENTICATED, Connection
from appliance.foundation import clock
from appliance.foundation.entropy import random_bytes
from appliance.management.jobs.events import Beat, Event, Stale
from appliance.management.operations.row import AnsweredBy, Arguments
from appliance.management.operations.table import BY_NAME
from appliance.management.tracing.span import Recorder
from appliance.management.websocket.messages import Broadcast, Question, Subscribe
from appliance.sdk.errors import DeadlineExceeded

MOST_OF_A_USER: Final = 32
"""Connections at a time."""
BROADCAST: Final = "events.broadcast"
"""The permission to say something to all, and the kind of the event."""

Permitted = Callable[[Caller, str], bool]


class WebSocketEndpoint:
    """Answers WebSockets."""

    def __init__(
        self, asking: Asking, bearer: Bearer, jobs: JobsPart, permitted: Permitted, recorder: Recorder | None = None
    ) -> None:
        """`recorder`: of spans; None where nothing is traced."""
        self._deeds = _Deeds(asking, bearer, jobs, permitted, recorder)
        self._bearer = bearer
        self._seats = Turns(MOST_OF_A_USER)

    async def answer(self, socket: WebSocket) -> None:
        """One of them, to its end."""
        again = partial(caller_of, socket, self._bearer)
        try:
            caller = await again()
        except Unauthenticated as error:
            await socket.accept()  # before that only HTTP could say why
            await socket.close(UNAUTHENTICATED, error.message[:100])
            return
        await socket.accept()
        seat = caller.name or (socket.client.host if socket.client else "")
        if not self._seats.take(seat):
            await socket.close(POLICY, "too many connections of this user")
            return
        try:
            await Connection(_Wire(socket), self._deeds, caller if caller.how else None, again, clock.monotonic).hold()
        finally:
            self._seats.leave(seat)
            if socket.application_state is socket.client_state is WebSocketState.CONNECTED:
                with suppress(RuntimeError, OSError, WebSocketDisconnect):  # it may go just now
                    await socket.close(GOING_AWAY)


class _Wire:
    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str | None:
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            return None
        text = message.get("text")
        return text if isinstance(text, str) else ""  # bytes are none of these messages

    async def send(self, text: str) -> None:
        try:
            await self._socket.send_text(text)
        except WebSocketDisconnect as error:
            raise ConnectionResetError from error

    async def close(self, code: int, reason: str) -> None:
        with suppress(RuntimeError, OSError, WebSocketDisconnect):
            await self._socket.close(code, reason)


class _Deeds:
    def __init__(self, asking: Asking, bearer: Bearer, jobs: JobsPart, permitted: Permitted, recorder: Recorder | None) -> None:
        self._asking = asking
        self._recorder = recorder
        self._bearer = bearer
        self._jobs = jobs
        self._permitted = permitted

    async def whose(self, token: str) -> Caller:
        return await self._bearer(token)

    async def follow(self, caller: Caller, wanted: Subscribe) -> AsyncGenerator[Event | Stale | Beat, None]:
        if wanted.execution:
            self._must(caller, "jobs.read")
            items = self._jobs.jobs.follow(wanted.execution, wanted.after)
        else:
            seen = {topic for topic, permission in TOPICS.items() if self._permitted(caller, permission)}
            items = self._jobs.events.follow(wanted.after, seen & set(wanted.topics) if wanted.topics else seen)
        async with aclosing(items):
            async for item in items:
                yield item

    async def ask(self, caller: Caller, question: Question) -> Any:
        row = BY_NAME.get(question.operation)
        if row is None or row.answered_by is not AnsweredBy.NODE or row.stream:
            raise NotFound("the node answers no such operation", hint="the API server's own operations are asked by HTTP")
        number = random_bytes(8).hex()
        with asked(self._recorder, question.traceparent, f"ws {row.name}", {"appliance.request.id": number}):
            self._must(caller, row.permission)
            try:
                return await self._asking.answer(row, _arguments(row.arguments, question.arguments), caller.on_behalf(number))
            except TimeoutError:
                raise DeadlineExceeded(f"{row.name} took longer than {row.seconds:g} s", hint="look at the node's log") from None

    def broadcast(self, caller: Caller, message: Broadcast) -> None:
        self._must(caller, BROADCAST)
        self._jobs.events.publish(BROADCAST, {"by": caller.name, "data": message.data})

    def _must(self, caller: Caller, permission: str) -> None:
        if not self._permitted(caller, permission):
            raise Forbidden(
                f"user {caller.name} may not do this ({permission})", hint="an admin can give the user a role that may"
            )


def _arguments(model: type[BaseModel], given: Mapping[str, Any]) -> Arguments:
    try:
        found = model.model_validate_json(json.dumps(given), strict=True)  # kinds are exact, as in bodies over HTTP
    except ValidationError as error:
        raise invalid(error) from None
    assert isinstance(found, Arguments)
    return found

"""Answers the rows about operations that plugins bring: the node carries them out, and judges once more who may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Final, Protocol

from starlette.responses import Response

from appliance.api_server.answering import Call, Handler
from appliance.api_server.asking import Ask
from appliance.api_server.caller import Caller, Forbidden
from appliance.api_server.jobs.streaming import Steps, Streams
from appliance.api_server.problems import BadRequest, NotFound
from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError
from appliance.management.jobs.events import HEARTBEAT, Beat, Event
from appliance.management.operations.strict_json import NoJson, value_of
from appliance.sdk.errors import DeadlineExceeded

LIST_SECONDS: Final = 10.0
GRACE: Final = 5.0
"""Seconds that an answer gets beyond those that the operation itself may take: the node tells why it was late."""

MOST_WAITING: Final = 1 << 20
"""Characters of a stream that may wait for its reader."""


class Follow(Protocol):
    """`NodeLink.follow`."""

    def __call__(self, op: str, arguments: Mapping[str, Any], whose: OnBehalf | None, /) -> AsyncGenerator[Any, None]:
        """The items."""


class PluginOperations:
    """`handlers` are by the names of rows."""

    def __init__(
        self,
        ask: Ask,
        follow: Follow,
        permitted: Callable[[Caller, str], bool],
        still: Callable[[Call], Awaitable[bool]],
    ) -> None:
        """`still`: is who asked still who he was, with the same rights?"""
        self._ask = ask
        self._follow = follow
        self._permitted = permitted
        self._still = still
        self._streams = Streams()
        self.handlers: Final[dict[str, Handler]] = {"operations.ask": self._answer, "operations.follow": self._stream}

    async def _answer(self, call: Call) -> Any:
        found = await self._found(call, stream=False)
        whose = call.caller.on_behalf(call.id)
        seconds = float(found["seconds"]) + GRACE
        return {"answer": await self._ask(found["name"], call.arguments.arguments, whose, seconds)}

    async def _stream(self, call: Call) -> Response:
        found = await self._found(call, stream=True)
        try:
            arguments = value_of(call.arguments.arguments.encode())
        except NoJson as error:
            raise BadRequest(f"arguments: the text {error}") from None
        if not isinstance(arguments, dict):
            raise BadRequest("arguments: a JSON object is wanted")
        items = self._follow(found["name"], arguments, call.caller.on_behalf(call.id))
        return self._streams.answer(call.caller.name, steps(items), partial(self._still, call))

    async def _found(self, call: Call, *, stream: bool) -> Mapping[str, Any]:
        """What the node says of it. Raises NotFound, Forbidden."""
        name = call.arguments.operation
        known = await self._ask("operations", {}, None, LIST_SECONDS)
        found: Mapping[str, Any] | None = next((each for each in known if each["name"] == name), None)
        if found is None or found["stream"] is not stream:
            other = "its answer is a stream" if found is not None and found["stream"] else "its answer is no stream"
            raise NotFound(
                f"no plugin brings {name} here" if found is None else f"{name}: {other}",
                hint="/api/v1/plugins/operations has all",
            )
        if not self._permitted(call.caller, found["permission"]):
            raise Forbidden(
                f"user {call.caller.name} may not do this ({found['permission']})",
                hint="an admin can give the user a role that may",
            )
        return found


async def steps(items: AsyncGenerator[Any, None]) -> Steps:
    """Items of the node as events, with a beat where there is none for long. What the stream fails with is its last event."""
    waiting = _Waiting()
    taking = asyncio.get_running_loop().create_task(_take(items, waiting))
    number = 0
    try:
        while True:
            found = await waiting.next()
            if found is None:
                yield Beat(number)
                continue
            kind, text = found
            if kind == "end":
                return
            number += 1
            yield Event(number, kind, text)
    finally:
        taking.cancel()
        with suppress(asyncio.CancelledError):
            await taking


class _Waiting:
    """What its reader has not taken yet."""

    def __init__(self) -> None:
        self._found: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._characters = 0

    def put(self, kind: str, told: Mapping[str, Any]) -> None:
        """One more. Raises DeadlineExceeded when too much waits already."""
        if kind == "item" and self._characters > MOST_WAITING:
            raise DeadlineExceeded("whoever follows takes too little of this stream", hint="read faster, or ask for less")
        text = json.dumps({"event": kind, **told}, ensure_ascii=False)
        self._characters += len(text)
        self._found.put_nowait((kind, text))

    async def next(self) -> tuple[str, str] | None:
        """Kind and text of the next; None: there is none for long."""
        try:
            async with asyncio.timeout(HEARTBEAT):
                kind, text = await self._found.get()
        except TimeoutError:
            return None
        self._characters -= len(text)
        return kind, text


async def _take(items: AsyncGenerator[Any, None], waiting: _Waiting) -> None:
    """Whether its reader takes them or not: behind items that nobody takes, all that the node says to this process would wait."""
    try:
        async with aclosing(items):
            async for item in items:
                waiting.put("item", {"item": item})
    except ApplianceError as error:
        waiting.put("failed", {"code": error.code, "message": error.message, "hint": error.hint})
    finally:
        waiting.put("end", {})

"""An API server without a node, for those who write clients: each operation of the table is answered by an example of its model.

What a request has to be, who may ask and how errors look is as with a real node, since it is the same code: only the answers are
made up. They are always the same, and nothing changes them.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any, Final

from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse

from appliance.api.profile_management import Management, ManagementLimits
from appliance.api_server.answering import Answering, Call, Handler
from appliance.api_server.application import assembled
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller, Unauthenticated
from appliance.api_server.edge.edge import Edge
from appliance.api_server.edge.server import EdgeServer
from appliance.api_server.jobs.streaming import cursor_in
from appliance.control.messages import OnBehalf
from appliance.foundation import clock
from appliance.management.descriptions.examples import example
from appliance.management.descriptions.models import Models, models
from appliance.management.iam import roles
from appliance.management.jobs.idempotency import key_of
from appliance.management.operations.row import Row
from appliance.management.operations.table import BY_NAME, ROWS

TOKENS: Final = tuple(roles.BUILT_IN)
"""The tokens that are taken: each is the name of the role that it brings."""
_EVENTS: Final = 3
"""A stream has so many, and a reader who had them is told that nothing follows."""
_UNLIMITED: Final = Management(limits=ManagementLimits(requests=0, per_address=1024))
"""A mock refuses nobody for asking often."""


def example_api(version: str) -> Starlette:
    """The application."""
    return assembled(example_answering(), _node, version)


def example_answering() -> Answering:
    """What answers each row."""
    return Answering(Asking(_node, clock.monotonic), _bearer, {}, {row.name: _handler(row, _models()) for row in ROWS})


def listening(host: str, port: int) -> socket.socket:
    """A socket to serve at; port 0: any that is free. Raises OSError."""
    made = socket.create_server((host, port))
    return socket.socket(fileno=made.detach())  # knows by the kernel that it is TCP, so asyncio turns Nagle's algorithm off


async def serve(listener: socket.socket, version: str, ready: Callable[[], None], stop: asyncio.Event | None = None) -> None:
    """Answer at a socket until SIGINT or SIGTERM, or until `stop` is set."""
    stop = stop or _signalled()
    server = EdgeServer(example_api(version), Edge(_UNLIMITED), lambda _listener: None)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([listener]), name="serve")
        await server.up.wait()
        ready()
        await stop.wait()
        server.should_exit = True


def _signalled() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _bearer(token: str) -> Caller:
    if token not in TOKENS:
        raise Unauthenticated("the token is not valid", hint=f"the tokens of a mock are {', '.join(TOKENS)}")
    return Caller(f"mock-{token}", (token,), "api-token")


async def _node(op: str, _arguments: dict[str, Any], _whose: OnBehalf | None, _seconds: float, /) -> Any:
    row, known = BY_NAME[op], _models()
    answer = example(known.of(row.result), known.schemas)
    return answer["items"] if row.listed_by else answer


@cache
def _models() -> Models:
    return models(ROWS)


def _handler(row: Row, known: Models) -> Handler:
    answer = example(known.of(row.result), known.schemas)

    async def made_up(call: Call) -> Any:
        if row.once and (key := call.request.headers.get("idempotency-key")) is not None:
            key_of(call.caller.name, key)
        if row.stream:
            after = cursor_in(call.request, getattr(call.arguments, "after", None)) or 0
            return Response(status_code=204) if after >= _EVENTS else _stream(answer, after)
        return Response(status_code=204) if row.success == 204 else answer

    return made_up


def _stream(item: Any, after: int) -> StreamingResponse:
    return StreamingResponse(_events(item, after), media_type="text/event-stream")


async def _events(item: Any, after: int) -> AsyncIterator[bytes]:
    for number in range(after + 1, _EVENTS + 1):
        yield f"id: {number}\ndata: {json.dumps(item, ensure_ascii=False)}\n\n".encode()

"""An API server's edge on loopback before an application of two paths, and raw connections to it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from appliance.api.profile_management import Management
from appliance.api_server.arguments import read_body
from appliance.api_server.caller import Caller, Unauthenticated, caller_of
from appliance.api_server.edge.edge import USUAL, Edge
from appliance.api_server.edge.limits import Deadlines
from appliance.api_server.edge.server import EdgeServer
from appliance.api_server.problems import problem
from appliance.errors import ApplianceError
from appliance.foundation.entropy import random_bytes
from appliance.management.tracing.span import Recorder
from appliance.protocol.pressure import Pressure

Context = Callable[[socket.socket], ssl.SSLContext | None]
PATIENCE = 60.0
"""Seconds that a crowded machine may take for anything."""


class Edged(NamedTuple):
    """A server, and where it is."""

    edge: Edge
    server: EdgeServer
    port: int
    serving: asyncio.Task[None]

    async def connect(self, tls: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A raw connection."""
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, limit=1 << 20)

    async def say(self, *pieces: bytes) -> bytes:
        """All that comes back until the server closes the connection."""
        reader, writer = await self.connect()
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        return await all_of(reader, writer)

    async def get(self, path: str = "/", **fields: str) -> tuple[int, Mapping[str, str], Any]:
        """Status, header fields and JSON of an answer."""
        given = {"Host": "localhost", "Connection": "close"} | {name.replace("_", "-"): value for name, value in fields.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return parsed(await self.say(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()))


async def all_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What comes until the end, however the end comes."""
    found = b""
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionError, ssl.SSLError):
            while piece := await reader.read(1 << 16):
                found += piece
    writer.close()
    return found


async def until(so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not so():  # noqa: ASYNC110  the edge tells nobody
            await asyncio.sleep(0.02)


def parsed(answer: bytes) -> tuple[int, Mapping[str, str], Any]:
    """Status, header fields in lower case, and the JSON of the body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), fields, json.loads(body) if body.startswith(b"{") else None


@asynccontextmanager
async def edged(
    section: Mapping[str, Any] | None = None,
    deadlines: Deadlines = USUAL,
    context: Context = lambda _listener: None,
    recorder: Recorder | None = None,
    pressure: Pressure | None = None,
) -> AsyncGenerator[Edged]:
    """Serve with that section `management` of a profile. `recorder`: of spans."""
    edge = Edge(Management.model_validate(section or {}), deadlines, pressure)
    edge.recorder = recorder
    server = EdgeServer(_application(), edge, context)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    serving = asyncio.get_running_loop().create_task(server.serve([listener]))
    await server.up.wait()
    try:
        yield Edged(edge, server, port, serving)
    finally:
        server.should_exit = True
        await serving


def _application() -> Starlette:
    return Starlette(
        routes=[
            Route("/", _echo, methods=["GET", "POST"]),
            Route("/stream", _stream),
            Route("/alice", _alices_stream),
            Route("/much", _much),
            WebSocketRoute("/socket", _socket),
            WebSocketRoute("/flood", _flood),
        ]
    )


async def _echo(request: Request) -> Response:
    try:
        body = await read_body(request)
    except ApplianceError as error:
        return problem(error, "1")
    caller = await caller_of(request, _no_tokens)
    told = {"client": request.client, "scheme": request.url.scheme, "id": request.headers["x-request-id"]}
    return JSONResponse({**told, "bytes": len(body), "name": caller.name, "how": caller.how})


async def _no_tokens(_text: str) -> Caller:
    raise Unauthenticated("there are no tokens here")


async def _stream(_request: Request) -> Response:
    async def items() -> AsyncGenerator[bytes]:
        yield b": here\n\n"
        await asyncio.Event().wait()

    return StreamingResponse(items(), media_type="text/event-stream")


async def _alices_stream(request: Request) -> Response:
    try:
        request.scope["state"]["toll"]("alice")
    except ApplianceError as error:
        return problem(error, "1")
    return await _stream(request)


async def _much(_request: Request) -> Response:
    async def items() -> AsyncGenerator[bytes]:
        while True:
            yield bytes(1 << 16)
            await asyncio.sleep(0)

    return StreamingResponse(items(), media_type="text/event-stream")


async def _socket(connection: WebSocket) -> None:
    await connection.accept()
    await connection.send_text("here")
    await connection.close()


async def _flood(connection: WebSocket) -> None:
    await connection.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await connection.send_bytes(random_bytes(1 << 16))
            await asyncio.sleep(0)

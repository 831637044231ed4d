"""uvicorn behind the edge: it accepts what the edge lets in, and ends streams before all else."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from appliance.api_server.arguments import MOST_BODY
from appliance.api_server.edge.edge import Edge
from appliance.api_server.edge.http import Http
from appliance.api_server.edge.websocket import WebSocket

STREAMS_SECONDS: Final = 0.5
"""How long streams may take to say at the end that it is the end."""
UNDER_WAY_SECONDS: Final = 3
"""How long requests that are under way may take at the end."""
IDLE_SECONDS: Final = 30
"""How long a connection may be silent between two requests."""


class EdgeServer(uvicorn.Server):
    """`up` is set once it listens. `context(listener)` is the TLS to speak there now, None for plain HTTP. Signals are left to
    others."""

    def __init__(self, app: ASGIApp, edge: Edge, context: Callable[[socket.socket], ssl.SSLContext | None]) -> None:
        self._guard = edge.guard(app)
        super().__init__(_config(self._guard))
        self._edge = edge
        self._context = context
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """They are left to others."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        acceptors: list[Any] = [self._accept(each) for each in sockets or []]
        self.servers = acceptors
        self.started = True
        self.up.set()

    def _accept(self, listener: socket.socket) -> Any:
        return self._edge.accept(listener, self.config, self.server_state, lambda: self._context(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn; streams that nobody else ends are ended."""
        asyncio.get_running_loop().call_later(STREAMS_SECONDS, self._guard.end)
        await super().shutdown(sockets)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Http,
        ws=WebSocket,
        ws_max_size=MOST_BODY,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=UNDER_WAY_SECONDS,
    )

"""The life of the API server: it asks the node for its settings, listens, and ends when the node does.

settings ─ application ─ uvicorn on the sockets that were handed over ─ "ready" ─ … ─ SIGTERM or the node's end ─ streams end
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from appliance.api_server.application import application
from appliance.api_server.http import Http
from appliance.api_server.node_link import NodeLink
from appliance.foundation.logging import get_logger
from appliance.sdk.errors import SDKError

log = get_logger("api")

LATE: Final = (
    "anyio._backends._asyncio",
    "encodings.idna",
    "uvicorn.loops.auto",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)
"""What libraries would import only when it is needed."""
STREAMS_SECONDS: Final = 5
"""How long what is under way may take at the end."""
IDLE_SECONDS: Final = 30
"""How long a connection may be silent between two requests."""


async def serve(_folder: Path, control: socket.socket, listeners: Sequence[socket.socket]) -> int:
    """Serve until SIGTERM, or until the node hangs up. Returns the exit code."""
    node = NodeLink(control)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    node.ended = stop.set
    try:
        settings = await node.settings()
        server = Server(configured(application(settings, node)))
        serving = asyncio.get_running_loop().create_task(server.serve(list(listeners)), name="serve")
        serving.add_done_callback(lambda _serving: stop.set())
        await server.up.wait()
        await node.ready()
        await stop.wait()
        server.should_exit = True
        await serving
    except SDKError as error:
        log.error("the node does not answer", reason=error.message)  # noqa: TRY400  nobody's bug
        return 1
    finally:
        node.close()
    return 0


class Server(uvicorn.Server):
    """Says when it listens, and leaves the signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """They are `serve`'s."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn."""
        await super().startup(sockets)
        self.up.set()


def configured(app: object) -> uvicorn.Config:
    """An ASGI application as it is served here."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # an ASGI application
        http=Http,
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STREAMS_SECONDS,
    )

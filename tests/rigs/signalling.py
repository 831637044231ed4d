"""The signalling server alone, in a thread at a port of loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from appliance.testing.api_parts import FakeServerServices
from appliance_server_signalling.server import opened
from appliance_server_signalling.settings import SignallingSettings


@contextmanager
def signalling_server(**settings: Any) -> Iterator[int]:
    """Its port."""
    ports: list[int] = []
    ready = Event()
    ending: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop, services = asyncio.Event(), FakeServerServices()
        ending.append((asyncio.get_running_loop(), stop))
        async with opened(SignallingSettings.model_validate(settings), services) as server:
            listener = await asyncio.get_running_loop().create_server(server.connection, "127.0.0.1", 0)
            ports.append(listener.sockets[0].getsockname()[1])
            ready.set()
            await stop.wait()
            listener.close()
        await services.close()

    thread = Thread(target=lambda: asyncio.run(serve()), name="signalling")
    thread.start()
    try:
        assert ready.wait(60)
        yield ports[0]
    finally:
        loop, stop = ending[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)

"""The mock of the API server in a thread, at a port of loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from appliance.api_server import example_server


@contextmanager
def mock_api() -> Iterator[str]:
    """Where it is: http://127.0.0.1:PORT."""
    listener = example_server.listening("127.0.0.1", 0)
    ready = Event()
    found: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        found.append((asyncio.get_running_loop(), asyncio.Event()))
        await example_server.serve(listener, "0.1.0", ready.set, found[0][1])

    thread = Thread(target=lambda: asyncio.run(serve()), name="mock-api")
    thread.start()
    try:
        assert ready.wait(60)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop, stop = found[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        listener.close()

"""Waiting for a descriptor without the event loop's own `sock_recv`, which loads all of TLS to see whether the socket is one."""

from __future__ import annotations

import asyncio


async def readable(descriptor: int) -> None:
    """Wait until there is something to read."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(descriptor, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(descriptor)

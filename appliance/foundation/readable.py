"""Waiting for a descriptor. The event loop's own `sock_recv` would load all of TLS, only to see whether the socket is a TLS
one."""

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

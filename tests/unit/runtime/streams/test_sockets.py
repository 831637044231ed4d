"""Sockets of a host, with loopback as the device."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from appliance.runtime.streams.sockets import GONE_SECONDS, QUIET_SECONDS, HostSockets

HERE = ipaddress.ip_address("127.0.0.1")


async def test_the_kernel_notices_at_both_ends_that_a_peer_vanished() -> None:
    sockets = HostSockets(lambda: "lo", lambda: [HERE])
    taken: asyncio.Queue[socket.socket] = asyncio.Queue()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listening = sockets.listen(port, lambda stream, _source: taken.put_nowait(stream))
    async with asyncio.timeout(60):
        made = await sockets.connect(HERE, port)
        accepted = await taken.get()
    for end in (made, accepted):
        assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == QUIET_SECONDS
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == GONE_SECONDS * 1000
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        end.close()
    listening.close()

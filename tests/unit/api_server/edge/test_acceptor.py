"""Who is let in."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto

from appliance.api_server.edge.acceptor import TLS_BUFFER
from tests.rigs.edge import all_of, edged, until

SLOW = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def test_one_address_has_so_many_connections_and_those_that_end_make_room() -> None:
    async with edged({"limits": {"per_address": 3}}) as server:
        idle = [await server.connect() for _ in range(3)]
        await until(lambda: server.edge.seats.taken == 3)
        reader, writer = await server.connect()
        assert await all_of(reader, writer) == b""
        assert server.edge.figures.refused == {"connections-of-address": 1}
        idle[0][1].close()
        await until(lambda: server.edge.seats.taken == 2)
        assert (await server.get())[0] == 200
        for _, writer in idle:
            writer.close()


async def test_a_connection_of_tls_that_is_idle_has_a_small_buffer() -> None:
    loop, context = asyncio.get_running_loop(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made = sslproto.SSLProtocol(loop, asyncio.Protocol(), context, loop.create_future(), server_side=True)
    assert len(made.get_buffer(1 << 20)) == TLS_BUFFER


async def test_others_are_answered_while_five_hundred_connections_drip() -> None:
    async with edged({"limits": {"per_address": 600, "connections": 600}}) as server:
        slow = await asyncio.gather(*(server.connect() for _ in range(500)))
        for _, writer in slow:
            writer.write(SLOW)
        for _ in range(10):
            for _, writer in slow:
                writer.write(b"X-A: b\r\n")
            assert (await server.get())[0] == 200
        for _, writer in slow:
            writer.close()
        await until(lambda: not server.edge.seats.taken)

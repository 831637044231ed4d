"""A WebSocket whose client does not read, or sends more than it seems."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from appliance.api_server.edge.websocket import WebSocket
from tests.rigs.edge import edged, until

UPGRADE = (
    b"GET /flood HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def test_a_client_that_never_reads_is_cut_and_leaves_its_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebSocket, "write_seconds", 0.2)
    async with edged() as server:
        _reader, writer = await server.connect()
        transport: Any = writer.transport
        transport.pause_reading()
        writer.write(UPGRADE)
        await until(lambda: server.edge.seats.taken == 1)
        await until(lambda: server.edge.seats.taken == 0)
        writer.close()


async def test_a_message_that_is_large_only_when_it_is_unpacked_is_refused_before_it_is() -> None:
    async with edged() as server, connect(f"ws://localhost:{server.port}/flood", max_size=None) as client:
        assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]
        sending = asyncio.get_running_loop().create_task(client.send("a" * (16 << 20)))  # 16 KB on the wire
        with pytest.raises(ConnectionClosed) as closed:
            await all_that_comes(client)
        await asyncio.gather(sending, return_exceptions=True)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.MESSAGE_TOO_BIG


async def all_that_comes(client: ClientConnection) -> None:
    while True:
        await client.recv()

"""A WebSocket whose client does not read."""

from __future__ import annotations

from typing import Any

import pytest

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

"""Connections to gRPC have seats, as those of HTTP: so many of one address, and no more descriptors for strangers than that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from starlette.requests import Request

from appliance.api_server.answering import Answering, Call
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller
from tests.rigs.edge import until
from tests.unit.api_server.grpc.rig import spoken

SECTION = {"limits": {"per_address": 3, "requests": 0}}


async def test_of_one_address_only_so_many_connections_are_let_in_and_a_seat_is_given_back(tmp_path: Path) -> None:
    async with spoken(tmp_path, section=SECTION) as node:
        silent = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(5)]
        await until(lambda: node.edge.figures.refused["connections-of-address"] == 2)
        assert node.edge.seats.taken == 3
        for _, writer in silent:
            writer.close()
        await until(lambda: node.edge.seats.taken == 0)
        assert (await node.call("Status", "viewer")).name
        assert node.edge.seats.taken == 1


async def test_who_asks_is_known_by_his_own_address(tmp_path: Path) -> None:
    asked: list[Any] = []

    async def node(*_: Any) -> Any:
        raise AssertionError

    async def someone(token: str) -> Caller:
        return Caller(token, (token,), "api-token")

    async def handle(call: Call) -> Any:
        request: Request = call.request
        asked.append(request.client and request.client.host)
        return {"name": "a"}

    answering = Answering(Asking(node, lambda: 0.0), someone, {}, {"users.get": handle})
    async with spoken(tmp_path, answering) as served:
        served.server._senders.clear()
        await served.call("UsersGet", "admin", name="a")
        (port,) = served.server._senders
        served.server._senders[port] = "192.0.2.7"
        await served.call("UsersGet", "admin", name="a")
    assert asked == ["127.0.0.1", "192.0.2.7"]
    assert not served.server._senders, "and forgotten with the connection"


async def test_much_goes_through_in_both_directions_and_who_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(b"GET / HTTP/1.1\r\n" * 1000)  # the library refuses it, and hangs up
        async with asyncio.timeout(60):
            assert await reader.read()
        writer.close()
        answers = await asyncio.gather(
            *(node.call("UsersGet", "admin", name="a" * 60_000) for _ in range(40)), return_exceptions=True
        )
        assert len(answers) == 40
        assert (await node.call("Status", "viewer")).name


async def test_without_the_library_behind_it_a_client_is_let_go(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        await node.server._server.stop(0)
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        async with asyncio.timeout(60):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()
        await until(lambda: node.edge.seats.taken == 0)
        assert isinstance(node.channel, grpc.aio.Channel)

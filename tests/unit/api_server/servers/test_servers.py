"""Servers of plugins get connections that were counted, and are opened again at the same port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.api.profile_management import Management
from appliance.api.server_settings import ServerSettings
from appliance.api.servers import ServerKind
from appliance.api_server.plugins.kinds import Brought
from appliance.api_server.plugins.parts import PluginParts
from appliance.api_server.plugins.services import Joints
from appliance.api_server.servers.servers import Servers, settings_of_servers
from appliance.errors import ApplianceError

SETTINGS = {"listen": ["127.0.0.1:7"], "per_address": 2}


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        assert data != b"fail"
        self.transport.write(data)


class Server:
    connection = Echo

    def __init__(self) -> None:
        self.broken = asyncio.Event()

    def stats(self) -> dict[str, int]:
        return {"own": 1}


class Link:
    def __init__(self) -> None:
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {}

    async def secret(self, reference: str) -> bytes:
        raise AssertionError(reference)

    async def ask(self, op: str, arguments: Any, whose: None, seconds: float) -> Any:
        self.asked.append((op, arguments))
        answer = self.answers.get(op, {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def follow(self, op: str, arguments: Any, whose: None) -> AsyncIterator[Any]:
        self.asked.append((op, arguments))
        for item in ({"from": "", "content": ""}, {"from": "llp1:other", "content": "aGVsbG8="}):
            yield item

    async def tell_part(self, key: str, name: str, problem: str) -> None:
        assert (key, name) == ("servers", "echo")
        self.told.put_nowait(problem)


class Site:
    def __init__(self, folder: Path) -> None:
        self.opened = 0
        self.services: Any = None
        self.link = Link()
        kind = ServerKind("echo", lambda: ServerSettings, self._open)
        self.kinds = {"servers": {"echo": Brought("p", kind)}}
        self.management = Management.model_validate({"servers": {"echo": SETTINGS}})
        self.parts = PluginParts(self.kinds, self.management, Joints("node", "llp1:x", self.link, folder, {}))
        self.short = ""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    @asynccontextmanager
    async def _open(self, _settings: Any, services: Any) -> AsyncIterator[Server]:
        self.opened += 1
        self.services = services
        if self.opened == 1:
            raise RuntimeError("not now")
        yield Server()

    async def asked(self, text: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        answer = await reader.read(len(text))
        writer.close()
        return answer


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Site]:
    site = Site(folder)
    servers = Servers(
        settings_of_servers(site.kinds, site.management),
        {"echo": [site.listener]},
        ["node.example"],
        lambda _: None,
        site.link,
        lambda: site.short,
    )
    site.parts.run("servers", servers.use, servers.services)
    try:
        async with asyncio.timeout(60):
            yield site
    finally:
        await site.parts.close()
        site.listener.close()


async def test_one_that_fails_is_opened_again_and_nobody_was_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        assert await site.asked(b"hello") == b"hello", "it waited in the socket meanwhile"
        assert site.opened == 2
        assert "not now" in await site.link.told.get()
        assert await site.link.told.get() == ""


async def test_connections_of_one_address_are_counted_and_told(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        pairs = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(3)]
        assert await pairs[2][0].read() == b"", "one too many"
        for reader, writer in pairs[:2]:
            writer.write(b"x")
            assert await reader.read(1) == b"x"
        figures = site.parts.figures()["servers.echo"]
        assert (figures["own"], figures["seats"], figures["accepted"], figures["refused connections-of-address"]) == (1, 2, 2, 1)
        for _, writer in pairs:
            writer.close()


async def test_while_something_is_short_nobody_more_gets_in_and_who_is_there_stays(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        site.short = "short-memory"
        refused, other = await asyncio.open_connection("127.0.0.1", site.port)
        assert await refused.read() == b""
        other.close()
        writer.write(b"y")
        assert await reader.read(1) == b"y"
        writer.close()
        figures = site.parts.figures()["servers.echo"]
        assert (figures["accepted"], figures["refused short-memory"]) == (1, 1)
        site.short = ""
        assert await site.asked(b"hello") == b"hello"


async def test_when_the_key_ends_nobody_gets_in_any_more(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        await site.asked(b"hello")
        await site.parts.end("servers")
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.close()
        assert not site.services.sources


async def test_a_page_is_judged_as_the_edge_judges_it(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        await site.asked(b"hello")
        own = site.services.is_own_page
        assert own("localhost:3001", None, "127.0.0.1", secure=False)
        assert own("localhost:3001", "http://localhost:3001", "127.0.0.1", secure=False)
        assert own("node.example", "https://node.example", "192.0.2.1", secure=True)
        assert not own("evil.example:3001", "http://evil.example:3001", "127.0.0.1", secure=False), "its name points here"
        assert not own("localhost:3001", "http://localhost:3001", "127.0.0.1", secure=True)
        assert not own("localhost:3001", "null", "127.0.0.1", secure=False)
        assert len({site.services.random(16) for _ in range(9)}) == 9


def test_settings_that_are_none_are_left_out() -> None:
    kinds = {"servers": {"echo": Brought("p", ServerKind("echo", lambda: ServerSettings, lambda *_: None))}}  # type: ignore[arg-type,return-value]
    management = Management.model_validate({"servers": {"echo": {"listen": "nonsense"}, "gone": {}}})
    assert settings_of_servers(kinds, management) == {}


async def test_what_it_has_to_do_with_other_members_the_node_does_for_it(tmp_path: Path) -> None:
    class NothingFound(ApplianceError):
        pass

    async with running(tmp_path) as site:
        await site.asked(b"hello")
        services, link = site.services, site.link
        await services.provide("x", 60)
        await services.provide("x", 0)
        assert link.asked == [
            ("api_provide", {"key": "x", "seconds": 60}),
            ("api_provide", {"key": "x", "withdraw": True}),
        ]
        link.answers["dht.providers"] = {"providers": [{"identity": "llp1:x"}, {"identity": "llp1:other"}]}
        assert await services.providers("x") == ["llp1:other"], "not this node itself"
        link.answers["dht.providers"] = NothingFound("nobody")
        assert await services.providers("x") == []
        link.answers["dht.providers"] = ApplianceError("no network")
        with pytest.raises(ApplianceError, match="no network"):
            await services.providers("x")
        await services.send("llp1:other", b"hello")
        assert link.asked[-1] == ("api_letter", {"server": "echo", "to": "llp1:other", "content": "aGVsbG8="})
        assert [letter async for letter in services.letters()] == [("llp1:other", b"hello")]
        assert link.asked[-1] == ("api_letters", {"server": "echo"})

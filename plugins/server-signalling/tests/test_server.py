"""The server at a port of loopback, asked by a WebSocket client that is not ours, and by strangers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from appliance.testing.api_parts import FakeServerServices
from appliance.testing.conformance.server import ServerConformance
from appliance_server_signalling import connection as connection_module
from appliance_server_signalling import server as server_module
from appliance_server_signalling.plugin import appliance_servers
from appliance_server_signalling.server import SignallingServer, opened
from appliance_server_signalling.settings import SignallingSettings

SDP = "v=0\r\n"


class TestSignalling(ServerConformance):
    def kind(self) -> Any:
        return appliance_servers()[0]


class Site:
    """An open server, and where it is."""

    def __init__(self, server: SignallingServer, port: int) -> None:
        self.server = server
        self.port = port

    def connect(self, path: str = "/p2p-signaling", **more: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}{path}", compression=None, ping_interval=None, **more)

    async def raw(self, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        return reader, writer

    async def upgraded(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection whose frames the test writes itself."""
        reader, writer = await self.raw(
            b"GET /p2p-signaling HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        return reader, writer


@asynccontextmanager
async def site(secrets: dict[str, str] | None = None, **settings: Any) -> AsyncIterator[Site]:
    services = FakeServerServices(secrets)
    async with opened(SignallingSettings.model_validate(settings), services) as server:
        listener = await asyncio.get_running_loop().create_server(server.connection, "127.0.0.1", 0)
        async with asyncio.timeout(60):
            yield Site(server, listener.sockets[0].getsockname()[1])
        listener.close()
    await services.close()
    assert not services.failures


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  the server has no word for it
        await asyncio.sleep(0.001)


async def say(peer: ClientConnection, **message: Any) -> None:
    await peer.send(json.dumps(message))


async def hear(peer: ClientConnection) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(await peer.recv())
    return told


async def register(peer: ClientConnection, name: str, **more: Any) -> dict[str, Any]:
    await say(peer, type="register", id=name, **more)
    return await hear(peer)


async def ended(peer: ClientConnection) -> int:
    async for _ in peer:
        pass
    assert peer.close_code is not None
    return peer.close_code


async def test_two_peers_meet() -> None:
    async with site() as here, here.connect() as alice, here.connect() as bob:
        for peer, name in ((alice, "alice"), (bob, "bob")):
            assert await register(peer, name) == {"type": "registered", "id": name}
        await say(alice, type="offer", to="bob", sdp=SDP)
        assert await hear(bob) == {"type": "offer", "from": "alice", "sdp": SDP}
        stats = here.server.stats()
        assert (stats["connections"], stats["peers"], stats["offer"]) == (2, 2, 1)


async def test_a_message_in_pieces_is_one_message() -> None:
    async with site() as here:
        reader, writer = await here.upgraded()
        text = json.dumps({"type": "register", "id": "alice"}).encode()
        writer.write(frame(Opcode.TEXT, text[:5], fin=False) + frame(Opcode.PING, b"hello"))
        for byte in frame(Opcode.CONT, text[5:]):
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.readexactly(7) == b"\x8a\x05hello"
        assert b"registered" in await reader.readuntil(b"}")
        writer.close()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 404),
        ("/p2p-signaling/", {}, 404),
        ("/p2p-signaling", {"Origin": "https://evil.example"}, 403),
        ("/p2p-signaling", {"Origin": "null"}, 403),
    ],
)
async def test_who_may_not_connect_is_told_why(path: str, headers: dict[str, str], status: int) -> None:
    async with site() as here:
        with pytest.raises(InvalidStatus) as refused:
            await here.connect(path, additional_headers=headers)
        assert refused.value.response.status_code == status
        assert refused.value.response.body


async def test_pages_of_this_server_and_of_named_origins_may_connect() -> None:
    async with site(origins=["https://app.example"]) as here:
        for origin in ("https://app.example", f"http://127.0.0.1:{here.port}"):
            async with here.connect("/p2p-signaling?x=1", origin=origin) as peer:
                assert (await register(peer, "alice"))["type"] == "registered"
    async with site(origins=["*"]) as here, here.connect(origin="https://any.example"):
        pass


@pytest.mark.parametrize("more", [b"Host: y\r\n", b"Origin: http://x\r\nOrigin: http://y\r\n"])
async def test_a_request_with_two_hosts_or_origins_is_none(more: bytes) -> None:
    async with site() as here:
        reader, writer = await here.raw(b"GET /p2p-signaling HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
        writer.close()


async def test_the_page_is_there_where_the_profile_wants_it() -> None:
    async with site(page=True) as here:
        reader, writer = await here.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"Content-Security-Policy: default-src 'none'" in answer
        assert b"RTCPeerConnection" in answer


async def test_the_token_is_read_from_its_file() -> None:
    async with site({"file:/token": "sesame"}, token="file:/token") as here, here.connect() as peer:
        assert (await register(peer, "alice"))["code"] == "wrong_token"
        assert (await register(peer, "alice", token="sesame"))["type"] == "registered"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(Opcode.TEXT, b"x" * 40_000), 1009),
        (frame(Opcode.TEXT, b"x" * 20_000, fin=False) + frame(Opcode.CONT, b"x" * 20_000), 1009),
        (frame(Opcode.BINARY, b"\0"), 1003),
        (frame(Opcode.TEXT, b"\xff"), 1007),
        (b"\x81\x01x", 1002),
        (b"\xf1\x80\0\0\0\0", 1002),
        (frame(Opcode.PING, b"") * 200, 1008),
        (frame(Opcode.TEXT, b"{}") * 200, 1008),
        (frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.CONT, b"x", fin=False) * 200, 1008),
        (frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.TEXT, b"x"), 1002),
    ],
    ids=["huge", "huge pieces", "binary", "no text", "no mask", "no frame", "pings", "messages", "pieces", "begun twice"],
)
async def test_who_breaks_the_rules_is_sent_away_and_the_others_stay(
    sent: bytes, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "CLOSING_SECONDS", 0.1)
    async with site() as here, here.connect() as alice:
        await register(alice, "alice")
        reader, writer = await here.upgraded()
        writer.write(sent)
        told = await reader.read()
        assert code.to_bytes(2) in told[-125:]
        writer.close()
        assert (await register(alice, "again"))["code"] == "already_registered"


@pytest.mark.parametrize(
    "sent",
    [
        b"x" * 20_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000, b"\0\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n",
        b"GET /p2p-signaling HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["a line", "fields", "zeros", "post", "no upgrade"],
)  # fmt: skip
async def test_what_is_no_request_ends(sent: bytes) -> None:
    async with site() as here:
        reader, writer = await here.raw(sent)
        try:
            answer = await reader.read()
        except ConnectionError:
            answer = b""
        assert not answer.startswith(b"HTTP/1.1 101")
        writer.close()


async def test_who_does_not_read_is_cut_off_and_the_sender_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MOST_UNREAD", 32 << 10)
    async with site(messages=10_000) as here, here.connect() as alice:
        await register(alice, "alice")
        _reader, writer = await here.upgraded()
        writer.write(frame(Opcode.TEXT, b'{"type":"register","id":"bob"}'))
        await until(lambda: here.server.stats()["peers"] == 2)
        while here.server.stats()["peers"] == 2:  # the kernel takes some megabytes
            await say(alice, type="offer", to="bob", sdp="x" * 30_000)
            await asyncio.sleep(0)
        await say(alice, type="offer", to="bob", sdp=SDP)
        assert (await hear(alice))["code"] == "unknown_peer"
        assert here.server.stats()["slow_reader"] == 1
        writer.transport.abort()


@pytest.mark.parametrize("begun", [b"", b"GET /p2p-signaling HTTP/1.1\r\n"])
async def test_who_does_not_ask_in_time_is_cut_off(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "UPGRADE_SECONDS", 0.1)
    async with site() as here:
        reader, writer = await here.raw(begun)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        assert here.server.stats()["no_request"] == 1


async def test_who_does_not_finish_a_message_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "UNFINISHED_SECONDS", 0.1)
    async with site() as here:
        reader, writer = await here.upgraded()
        writer.write(frame(Opcode.TEXT, b"x" * 1000)[:500])
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        assert here.server.stats()["unfinished_message"] == 1


async def test_of_many_who_begin_messages_the_first_is_cut_off_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_UNFINISHED", 2)
    async with site() as here:
        pairs = []
        for _ in range(3):
            pairs.append(await here.upgraded())
            pairs[-1][1].write(frame(Opcode.TEXT, b"x" * 1000)[:500])
            await until(lambda: len(here.server._unfinished._until) == min(len(pairs), 2))
        with suppress(ConnectionError):
            assert await pairs[0][0].read() == b""
        assert here.server.stats()["connections"] == 2
        for _, writer in pairs:
            writer.transport.abort()


async def test_all_are_told_that_the_server_ends_and_who_does_not_listen_does_not_keep_it() -> None:
    async with site() as here:
        peers = [await here.connect() for _ in range(20)]
        _reader, writer = await here.upgraded()
        silent = await here.raw(b"")
        for number, peer in enumerate(peers):
            await register(peer, f"peer-{number}")
        endings = [asyncio.ensure_future(ended(peer)) for peer in peers]
    assert await asyncio.gather(*endings) == [1001] * 20
    assert (here.server.stats()["connections"], here.server.stats()["peers"]) == (0, 0)
    for each in (writer, silent[1]):
        each.transport.abort()


async def test_a_connection_that_is_reset_leaves_nothing() -> None:
    async with site() as here:
        for _ in range(50):
            _, writer = await here.upgraded()
            writer.write(frame(Opcode.TEXT, b'{"type":"register","id":"alice"}') + b"\x81")
            await writer.drain()
            writer.transport.abort()
        await until(lambda: not here.server._all)
        assert here.server.stats()["peers"] == 0
        assert not any(
            each._until for each in (here.server._upgrading, here.server._unfinished, here.server._unread, here.server._closing)
        )

"""What strangers do to a listener, and what far ends do to a caller: bounded, counted, and told in words."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.api.values import Endpoint
from appliance.testing.transport import End, FakeTransportServices, record
from appliance_transport_websocket.plugin import WSS
from appliance_transport_websocket.settings import WebSocketSettings
from appliance_transport_websocket.tls import self_signed, server_context
from appliance_transport_websocket.transport import WebSocket

SECONDS = 60.0
UPGRADE = (
    b"GET /llp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""RFC 6455, section 1.3."""


@asynccontextmanager
async def listening(
    *, handshake_seconds: float = SECONDS, **settings: Any
) -> AsyncIterator[tuple[WebSocket, FakeTransportServices, int]]:
    services = FakeTransportServices()
    made = WebSocketSettings.model_validate({"proxy": "none", "verify": False, **settings})
    transport = WebSocket(made, services, handshake_seconds=handshake_seconds)
    try:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        local = await transport.listen(Endpoint("wss", "127.0.0.1", port, f"127.0.0.1:{port}/llp"))
        yield transport, services, local.port
        assert services.failures == []
    finally:
        await transport.close()
        await services.close()


def stranger(port: int) -> ssl.SSLSocket:
    """TLS with the listener."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), SECONDS))


def answer_to(port: int, *pieces: bytes) -> bytes:
    """What a stranger hears who says all this, until the connection ends."""
    with stranger(port) as sock:
        heard = b""
        with suppress(OSError):
            for piece in pieces:
                sock.sendall(piece)
            while data := sock.recv(65536):
                heard += data
        return heard


async def counted(transport: WebSocket, how: str, count: int = 1) -> None:
    async with asyncio.timeout(SECONDS):
        while transport.carrier.ended[how] < count:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET /llp HTTP/1.1\r\nHost: localhost\r\n\r\n", b"426"),
        (UPGRADE.replace(b"/llp", b"/other"), b"404"),
        (UPGRADE.replace(b"Version: 13", b"Version: 7"), b"400"),
        (UPGRADE.replace(b"Upgrade: websocket", b"Upgrade: h2c"), b"426"),
    ],
)
async def test_who_asks_for_something_else_gets_an_answer_as_of_any_server(said: bytes, answer: bytes) -> None:
    async with listening() as (transport, services, port):
        heard = await asyncio.to_thread(answer_to, port, said)
        assert heard.split()[1] == answer
        await counted(transport, "upgrade")
        assert not services.adopted


@pytest.mark.parametrize(
    "said",
    [
        b"GET /llp HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /llp HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"GET /" + b"a" * 100_000,
        b"\x16\x03\x01\r\n" + bytes(1000),
        b"\r\n" * 1000,
    ],
    ids=["header", "headers", "line", "noise", "lines"],
)
async def test_heads_that_are_huge_or_none_end_at_once(said: bytes) -> None:
    async with listening() as (transport, services, port):
        await asyncio.to_thread(answer_to, port, said)
        await counted(transport, "malformed")
        assert not services.adopted


async def test_who_does_not_speak_tls_is_counted() -> None:
    def speak(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as sock, suppress(OSError):
            sock.sendall(UPGRADE)
            while sock.recv(4096):
                pass

    async with listening() as (transport, services, port):
        await asyncio.to_thread(speak, port)
        await counted(transport, "tls")
        assert not services.adopted


async def test_who_is_slow_is_sent_away() -> None:
    async with listening(handshake_seconds=4) as (transport, services, port):
        with socket.create_connection(("127.0.0.1", port), SECONDS) as silent:
            sock = await asyncio.to_thread(stranger, port)
            with sock:
                sock.sendall(UPGRADE[:20])
                await counted(transport, "slow", 2)
                with suppress(ConnectionResetError):
                    assert await asyncio.to_thread(silent.recv, 1) == b""
        assert not services.adopted


async def upgraded(services: FakeTransportServices, port: int, number: int = 0) -> tuple[ssl.SSLSocket, End]:
    """A stranger that has a WebSocket, and the worker's end of it."""

    def greet() -> ssl.SSLSocket:
        sock = stranger(port)
        sock.sendall(UPGRADE)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # RFC 6455, section 1.3
        return sock

    sock = await asyncio.to_thread(greet)
    return sock, End(WSS, await services.wait_for(number))


def masked(opcode: int, data: bytes, *, fin: bool = True) -> bytes:
    """A frame of a client (RFC 6455, section 5.2), with a mask of zeros, which changes nothing."""
    first = (0x80 if fin else 0) | opcode
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([first]) + length + bytes(4) + data


async def test_frames_have_no_borders_for_records() -> None:
    async with listening() as (_, services, port):
        sock, end = await upgraded(services, port)
        with sock:
            one = record(1, b"one record in many frames")
            data = one.header + one.body
            sock.sendall(masked(2, data[:10], fin=False) + masked(9, b"ping") + masked(0, data[10:30]) + masked(2, data[30:]))
            assert await asyncio.to_thread(end.take, 1) == [one]
            assert sock.recv(6) == b"\x8a\x04ping"
            end.transmit(one)
            assert (
                sock.recv(
                    2 + len(data),
                )
                == bytes([0x82, len(data)]) + data
            )


@pytest.mark.parametrize(
    "frame",
    [
        b"\x82\x05hello",
        masked(1, b"text"),
        b"\xc2\x85" + bytes(9),
        b"\x83\x80" + bytes(4),
        b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4),
        masked(0, b"goes on from nothing"),
        b"\x89\xfe\x10\x00" + bytes(4 + 4096),
    ],
    ids=["unmasked", "text", "reserved-bit", "reserved-opcode", "terabyte", "continuation", "long-ping"],
)
async def test_frames_that_break_the_rules_end_the_link(frame: bytes) -> None:
    async with listening() as (transport, services, port):
        sock, end = await upgraded(services, port)
        with sock:
            sock.sendall(frame)
            await counted(transport, "malformed")
            assert await asyncio.to_thread(ends, end)
            assert not end.records


async def test_a_close_frame_is_an_end_as_any() -> None:
    async with listening() as (transport, services, port):
        sock, end = await upgraded(services, port)
        with sock:
            sock.sendall(masked(8, b"\x03\xe8"))
            assert sock.recv(4) == b"\x88\x02\x03\xe8"
            assert await asyncio.to_thread(ends, end)
        await counted(transport, "closed")


async def test_pings_without_end_of_one_that_never_reads_are_not_kept() -> None:
    async with listening() as (transport, services, port):
        sock, end = await upgraded(services, port)
        with sock:
            sock.setblocking(False)  # noqa: FBT003
            pings, sent = masked(9, bytes(125)) * 1000, 0

            def flood() -> int:
                nonlocal sent
                stuck = 0
                while stuck < 50 and sent < 200_000_000:
                    try:
                        sent += sock.send(pings)
                        stuck = 0
                    except (BlockingIOError, ssl.SSLWantWriteError):
                        stuck += 1
                        __import__("time").sleep(0.02)
                return stuck

            assert await asyncio.to_thread(flood), "at some time it is not read any more"
        assert await asyncio.to_thread(ends, end)
        other, _ = await upgraded(services, port, 1)
        other.close()
        assert transport.stats()["accepted"] == 2


def ends(end: End) -> bool:
    """Does the worker's link end?"""
    end.adopted.sock.settimeout(SECONDS)
    with suppress(OSError):
        while end.adopted.sock.recv(65536):
            pass
    return True


async def dialled(endpoint: Endpoint, **settings: Any) -> str:
    """Why a call fails; "" if it does not."""
    services = FakeTransportServices()
    transport = WebSocket(WebSocketSettings.model_validate({"proxy": "none", **settings}), services)
    try:
        services.adopt(await transport.dial(endpoint, SECONDS))
    except OSError as error:
        return str(error)
    finally:
        await transport.close()
        await services.close()
    return ""


@pytest.fixture
def own_certificate(tmp_path: Path) -> dict[str, str]:
    """Files for a listener called localhost."""
    file = tmp_path / "both.pem"
    file.write_bytes(self_signed())
    return {"certificate": str(file), "key": str(file)}


async def test_a_certificate_must_be_good_unless_the_admin_says_otherwise(own_certificate: dict[str, str]) -> None:
    async with listening(**own_certificate) as (_, _services, port):
        named = Endpoint("wss", "127.0.0.1", port, f"localhost:{port}/llp")
        other = Endpoint("wss", "127.0.0.1", port, f"other.example:{port}/llp")
        authorities = own_certificate["certificate"]
        said = await dialled(named)
        assert "the certificate of localhost" in said
        assert "transports.wss.verify: false" in said
        assert await dialled(named, verify=False) == ""
        assert await dialled(named, authorities=authorities) == ""
        assert "is not accepted" in await dialled(other, authorities=authorities)


async def test_files_that_are_no_certificates_are_told(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")
    with pytest.raises(OSError, match="No such file"):
        async with listening(certificate=missing, key=missing):
            raise AssertionError
    assert "No such file" in await dialled(Endpoint("wss", "127.0.0.1", 1), authorities=missing)


async def answering(answer: bytes, *, tls: bool = True, asked: bytes = b"\r\n\r\n") -> tuple[asyncio.Server, int]:
    """A server that says this to whoever comes, when it has heard `asked`."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(asked)
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0, ssl=server_context(None, None) if tls else None)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404 and is no WebSocket at /llp"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "answered 200"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
            "not as a WebSocket",
        ),
        (b"HTTP/1.1 101 \r\n" + b"X: " + b"a" * 100_000, "WebSocket"),
        (b"SSH-2.0\r\n\r\n", "WebSocket"),
        (b"", "WebSocket"),
    ],
)
async def test_what_answers_as_no_websocket_is_told(answer: bytes, said: str) -> None:
    server, port = await answering(answer)
    async with server:
        assert said in await dialled(Endpoint("wss", "127.0.0.1", port, f"127.0.0.1:{port}/llp"), verify=False)


async def test_what_does_not_speak_tls_is_told() -> None:
    server, port = await answering(b"220 mail.example ESMTP\r\n", tls=False, asked=b"\x16")  # of a ClientHello
    async with server:
        assert "does not speak TLS" in await dialled(Endpoint("wss", "127.0.0.1", port), verify=False)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 407 Nope\r\n\r\n", "wants a user and a password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "does not connect to 127.0.0.1:1 (403 Forbidden)"),
        (b"a" * 40_000, "does not answer as an HTTP proxy"),
        (b"", "closed the connection"),
    ],
)
async def test_a_proxy_that_does_not_help_is_told_without_the_password(answer: bytes, said: str) -> None:
    server, port = await answering(answer, tls=False)
    async with server:
        told = await dialled(Endpoint("wss", "127.0.0.1", 1), verify=False, proxy=f"http://user:hush@127.0.0.1:{port}")
    assert said in told
    assert "hush" not in told


async def test_a_proxy_that_is_not_there_is_told() -> None:
    with socket.socket() as taken:  # bound but not listening
        taken.bind(("127.0.0.1", 0))
        told = await dialled(Endpoint("wss", "127.0.0.1", 1), proxy=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert "cannot be reached: connection refused" in told


async def test_the_carrier_is_started_again_after_it_was_killed() -> None:
    async with listening() as (transport, services, port):
        sock, end = await upgraded(services, port)
        process = transport.carrier._process
        assert process is not None
        process.kill()
        assert await asyncio.to_thread(ends, end)
        sock.close()
        other, _ = await upgraded(services, port, 1)
        other.close()

"""The server in front of the pages: what it answers, and what it does not suffer."""

from __future__ import annotations

import asyncio
import random
from http import HTTPStatus

import pytest

from appliance_monitoring_prometheus import http
from appliance_monitoring_prometheus.http import HttpServer, Page
from appliance_monitoring_prometheus.settings import Listen

HERE = Listen("127.0.0.1", 0)


def broken(accept: str) -> Page:
    raise ZeroDivisionError


PAGES = {"/page": lambda accept: Page(HTTPStatus.OK, "text/plain", f"hello {accept}".encode()), "/broken": broken}


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that still comes; nothing when the connection was reset."""
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""


async def ask(server: HttpServer, request: bytes) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(request)
        answer = await rest(reader)
    finally:
        writer.close()
    if not answer:
        return 0, {}, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
    return int(first.split(" ")[1]), headers, body


async def test_a_page() -> None:
    async with HttpServer(HERE, PAGES) as server:
        status, headers, body = await ask(server, b"GET /page?x=1 HTTP/1.1\r\nHost: x\r\nAccept: text/x\r\n\r\n")
    assert (status, body) == (200, b"hello text/x")
    assert headers["content-length"] == str(len(body))
    assert headers["connection"] == "close"


async def test_head_has_no_body() -> None:
    async with HttpServer(HERE, PAGES) as server:
        status, headers, body = await ask(server, b"HEAD /page HTTP/1.0\r\n\r\n")
    assert (status, headers["content-length"], body) == (200, "6", b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /other HTTP/1.1\r\n\r\n", 404),
        (b"POST /page HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"DELETE /page HTTP/1.1\r\n\r\n", 405),
        (b"GET /broken HTTP/1.1\r\n\r\n", 500),
        (b"GET page HTTP/1.1\r\n\r\n", 400),
        (b"GET /page HTTP/2.0\r\n\r\n", 400),
        (b"GET  /page HTTP/1.1\r\n\r\n", 400),
        (b"\xff\xfe\r\n\r\n", 400),
        (b"GET /page HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431),
        (b"z" * 100_000, 431),
    ],
)
async def test_what_is_not_right_gets_its_answer(request_: bytes, status: int) -> None:
    async with HttpServer(HERE, PAGES) as server:
        assert (await ask(server, request_))[0] == status
        assert (await ask(server, b"GET /page HTTP/1.1\r\n\r\n"))[0] == 200


async def test_noise_never_raises() -> None:
    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    async with HttpServer(HERE, PAGES) as server:
        for seed in range(50):
            source = random.Random(seed)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(source.randbytes(source.randrange(1, 3000)) + source.choice([b"", b"\r\n\r\n"]))
            if source.random() < 0.5:
                writer.transport.abort()
            else:
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 60)
                writer.close()
        assert (await ask(server, b"GET /page HTTP/1.1\r\n\r\n"))[0] == 200
    assert not problems


async def test_who_sends_too_slowly_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.05)
    async with HttpServer(HERE, PAGES) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /page HT")
        assert await rest(reader) == b""
        writer.close()


async def test_more_connections_than_the_bound_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_CONNECTIONS", 3)
    async with HttpServer(HERE, PAGES) as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        assert (await ask(server, b"GET /page HTTP/1.1\r\n\r\n"))[0] == 0
        for _, writer in held:
            writer.transport.abort()
        async with asyncio.timeout(60):
            while not (await ask(server, b"GET /page HTTP/1.1\r\n\r\n"))[0]:
                pass  # until the server has seen that they are gone


async def test_stopping_closes_what_is_open() -> None:
    async with HttpServer(HERE, PAGES) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /pa")
        await writer.drain()
    assert await rest(reader) == b""
    writer.close()


async def test_ipv6_too() -> None:
    async with HttpServer(Listen("::1", 0), PAGES) as server:
        assert server.port

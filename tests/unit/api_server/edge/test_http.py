"""What a connection may do, over real sockets of this host."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.api_server.edge.limits import MOST_ADDRESS, MOST_FIELDS, MOST_HEAD, MOST_RAW_BODY, Deadlines
from tests.rigs.edge import Edged, all_of, edged, parsed, until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
BAD = {
    "nothing like HTTP": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: evil\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "a length with a sign": POST + b"Content-Length: +3\r\n\r\nabc",
    "a coding within chunks": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a folded line": GET + b"A: b\r\n c\r\n\r\n",
    "a NUL": GET + b"A: b\0c\r\n\r\n",
    "lone line feeds": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a tunnel": b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no path": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a control character": b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("sent", BAD.values(), ids=BAD.keys())
async def test_what_is_no_http_is_refused_with_a_body_for_programs(sent: bytes) -> None:
    async with edged() as server:
        status, fields, body = parsed(await server.say(sent))
        assert (status, body["code"]) == (400, "MalformedRequest")
        assert fields["content-type"] == "application/problem+json"
        assert fields["connection"] == "close"
        assert fields["x-content-type-options"] == "nosniff"
        assert server.edge.figures.refused == {"malformed": 1}


TOO_MUCH = {
    "a long address": (b"GET /" + b"a" * MOST_ADDRESS + b" HTTP/1.1\r\n", 414, "AddressTooLong"),
    "many fields": (GET + b"a: b\r\n" * MOST_FIELDS + b"\r\n", 431, "HeadTooLarge"),
    "a long field": (GET + b"a: " + b"b" * MOST_HEAD + b"\r\n\r\n", 431, "HeadTooLarge"),
    "a line without an end": (GET + b"a: " + b"b" * 4 * MOST_HEAD, 431, "HeadTooLarge"),
    "another version": (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, "UnknownVersion"),
    "another expectation": (GET + b"Expect: rain\r\n\r\n", 417, "UnknownExpectation"),
    "a long body": (POST + b"Content-Length: 2000000\r\nConnection: close\r\n\r\n", 413, "BodyTooLarge"),
    "a compressed body": (POST + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n", 415, "UnsupportedMedia"),
    "many fields behind the body": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * MOST_FIELDS + b"\r\n",
        431,
        "HeadTooLarge",
    ),
}


@pytest.mark.parametrize(("sent", "status", "code"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
async def test_what_is_too_much_is_refused_with_its_own_status(sent: bytes, status: int, code: str) -> None:
    async with edged() as server:
        answer = parsed(await server.say(sent))
        assert (answer[0], answer[2]["code"]) == (status, code)


async def test_extensions_of_chunks_count_as_body() -> None:
    async with edged() as server:
        ended = await server.say(
            POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1;", *[b"x" * (1 << 20)] * (2 + MOST_RAW_BODY // (1 << 20))
        )
        assert not ended or parsed(ended)[0] == 413
        assert server.edge.figures.refused == {"body-too-large": 1}


async def test_a_field_behind_a_chunked_body_is_not_believed() -> None:
    async with edged() as server:
        body = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\nX-Request-Id: mine\r\n\r\n"
        status, _, told = parsed(await server.say(POST + body))
        assert (status, told["bytes"]) == (200, 1)
        assert told["id"] != "mine"


async def test_who_asks_whether_to_go_on_is_told() -> None:
    async with edged() as server:
        reader, writer = await server.connect()
        writer.write(POST + b"Content-Length: 1\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"a")
        assert parsed(await all_of(reader, writer))[2]["bytes"] == 1


async def test_http_1_0_and_absolute_addresses_are_answered() -> None:
    async with edged() as server:
        assert parsed(await server.say(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"))[0] == 200
        assert (
            parsed(await server.say(b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))[0] == 200
        )


async def test_requests_in_a_row_are_answered_and_what_is_wrong_behind_them_ends_it() -> None:
    async with edged() as server:
        said = await server.say((GET + b"\r\n") * 5 + b"garbage\r\n\r\n")
        assert said.count(b"HTTP/1.1 200 OK") == 5
        flood = await server.say((GET + b"\r\n") * 1000)
        assert 1 <= flood.count(b"HTTP/1.1 200 OK") < 1000


SHORT = Deadlines(head=0.2, body=0.2, least_rate=1 << 30, write=0.2, linger=0.2, handshake=0.2)


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HT", GET + b"X-A: b\r\n", POST + b"Content-Length: 9\r\n\r\nabc"])
async def test_what_does_not_come_in_time_is_refused(sent: bytes) -> None:
    async with edged(deadlines=SHORT) as server:
        status, _, body = parsed(await server.say(sent))
        assert (status, body["code"], body["retryable"]) == (408, "RequestTooSlow", True)
        assert server.edge.figures.refused == {"too-slow": 1}


async def test_a_client_that_drips_holds_nobody_up_and_is_cut() -> None:
    async with edged(deadlines=SHORT) as server:
        reader, writer = await server.connect()

        async def drip() -> None:
            while True:
                writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.02)

        writer.write(GET)
        dripping = asyncio.get_running_loop().create_task(drip())
        assert parsed(await all_of(reader, writer))[0] == 408
        dripping.cancel()


async def test_readers_that_never_read_are_cut_and_cost_little() -> None:
    async with edged({"limits": {"per_address": 100}}, SHORT) as server:
        readers = [await _never_reads(server) for _ in range(10)]
        await until(lambda: server.edge.figures.refused["unread"] == 10)
        await until(lambda: not server.edge.seats.taken and not server.edge.figures.streams)
        for writer in readers:
            writer.close()


async def _never_reads(server: Edged) -> asyncio.StreamWriter:
    _reader, writer = await server.connect()
    transport: Any = writer.transport
    transport.pause_reading()
    writer.write(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return writer

"""Which requests reach the application, and what every answer has."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from appliance.api.profile_management import Management
from appliance.api_server.caller import LOCAL
from appliance.api_server.edge.edge import Edge
from tests.rigs.edge import all_of, edged, parsed, until

ORIGIN = "https://dashboard.example.net"


def request(verb: str, **fields: str) -> bytes:
    given = {"Host": "localhost", "Connection": "close"} | {name.replace("_", "-"): value for name, value in fields.items()}
    return "".join([f"{verb} / HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in given.items()), "\r\n"]).encode()


async def test_every_answer_has_what_browsers_and_programs_need() -> None:
    async with edged() as server:
        status, fields, body = await server.get(X_Request_Id="mine-1", Traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
        assert (status, fields["x-request-id"], body["id"]) == (200, "mine-1", "mine-1")
        assert fields["traceparent"].startswith(f"00-{'a' * 32}-")
        assert fields["traceparent"].endswith("-01")
        assert "b" * 16 not in fields["traceparent"]
        assert fields["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in fields["content-security-policy"]
        assert fields["x-api-version"] == "1"
        assert "strict-transport-security" not in fields
        assert "access-control-allow-origin" not in fields
        assert "server" not in fields


@pytest.mark.parametrize(
    "name", ["evil.example.net", "127.0.0.1.evil.example.net", "localhost.evil.example.net", "10.0.0.1", "[", ""]
)
async def test_a_name_that_only_points_to_loopback_gets_no_answer(name: str) -> None:
    async with edged({"names": ["node1.example.net"]}) as server:
        status, _, body = await server.get(Host=name)
        assert (status, body["code"]) == (421, "WrongHost")
        for well in ("localhost:8470", "127.0.0.1", "[::1]:1", "node1.example.net", "NODE1.example.net:80"):
            assert (await server.get(Host=well))[0] == 200, well


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": "https://evil.example.net"},
        {"Origin": "null"},
        {"Origin": "https://localhost"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "http://localhost", "Sec_Fetch_Site": "cross-site"},
    ],
)
async def test_a_page_of_another_origin_changes_nothing(fields: dict[str, str]) -> None:
    async with edged() as server:
        status, _, body = parsed(await server.say(request("POST", **fields)))
        assert (status, body["code"]) == (403, "ForeignOrigin")
        assert parsed(await server.say(request("GET", **fields)))[0] == 200
        assert parsed(await server.say(request("POST", Origin="http://localhost", Sec_Fetch_Site="same-origin")))[0] == 200
        assert parsed(await server.say(request("POST")))[0] == 200


async def test_a_page_that_the_profile_names_may_ask() -> None:
    async with edged({"cors": [ORIGIN]}) as server:
        wanted = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
        status, fields, _ = parsed(await server.say(request("OPTIONS", Origin=ORIGIN, **wanted)))
        assert (status, fields["access-control-allow-origin"], fields["vary"]) == (204, ORIGIN, "Origin")
        assert "POST" in fields["access-control-allow-methods"]
        assert "authorization" in fields["access-control-allow-headers"]
        status, fields, _ = parsed(await server.say(request("POST", Origin=ORIGIN, Sec_Fetch_Site="cross-site")))
        assert (status, fields["access-control-allow-origin"]) == (200, ORIGIN)
        status, fields, _ = parsed(await server.say(request("OPTIONS", Origin=f"{ORIGIN}.evil.net", **wanted)))
        assert status == 405
        assert "access-control-allow-origin" not in fields


async def test_who_asks_too_often_waits() -> None:
    async with edged({"limits": {"requests": 1, "burst": 3}}) as server:
        answers = [await server.get() for _ in range(5)]
        assert 429 in {status for status, _, _ in answers}
        refused = next(answer for answer in answers if answer[0] == 429)
        assert refused[2]["code"] == "TooManyRequests"
        assert int(refused[1]["retry-after"]) >= 1
        assert server.edge.figures.refused["rate"] >= 1


async def test_a_user_has_so_many_streams_at_once_and_those_that_end_make_room() -> None:
    wanted = b"GET /alice HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with edged({"limits": {"at_once": 2}}) as server:
        streams = [await server.connect() for _ in range(2)]
        for reader, writer in streams:
            writer.write(wanted)
            await reader.readuntil(b": here\n\n")
        status, _, body = parsed(await server.say(wanted))
        assert (status, body["code"]) == (429, "TooManyRequests")
        assert server.edge.figures.refused == {"at-once": 1}
        streams[0][1].close()
        await until(lambda: server.edge.figures.streams == 1)
        reader, writer = await server.connect()
        writer.write(wanted)
        assert (await reader.readuntil(b": here\n\n")).startswith(b"HTTP/1.1 200 ")
        for _, open_one in [streams[1], (reader, writer)]:
            open_one.close()


async def test_a_proxy_is_believed_if_the_profile_says_so() -> None:
    said = {"X_Forwarded_For": "10.9.9.9, 192.0.2.7", "X_Forwarded_Proto": "https"}
    async with edged() as server:
        assert (await server.get(**said))[2]["client"][0] == "127.0.0.1"
    async with edged({"proxy": ["127.0.0.1/32"]}) as server:
        _, fields, body = await server.get(**said)
        assert (body["client"], body["scheme"]) == (["192.0.2.7", 0], "https")
        assert "strict-transport-security" in fields


async def test_what_a_proxy_passes_on_to_the_unix_socket_is_not_root_asking() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["client"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    guard = Edge(Management()).guard(app)
    for fields in ([], [(b"x-forwarded-for", b"192.0.2.1")], [(b"via", b"1.1 proxy")]):
        scope = {"type": "http", "method": "GET", "scheme": "http", "client": (LOCAL, 0), "server": None, "headers": fields}
        await guard(scope, nothing, nothing)
    assert seen == [(LOCAL, 0), ("proxy", 0), ("proxy", 0)]


async def test_streams_end_at_once_and_in_order_when_the_server_does() -> None:
    async with edged({"limits": {"per_address": 200}}) as server:
        streams = [await server.connect() for _ in range(100)]
        for _, writer in streams:
            writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for reader, _ in streams:
            await reader.readuntil(b": here\n\n")
        assert server.edge.figures.streams == 100
        server.server.should_exit = True
        for reader, writer in streams:
            assert (await all_of(reader, writer)).endswith(b"0\r\n\r\n")
        await server.serving
        assert server.edge.figures.streams == 0


async def test_a_websocket_is_judged_like_a_request() -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec_WebSocket_Version": "13",
    }
    async with edged() as server:
        wanted = request("GET", **upgrade).replace(b"/ ", b"/socket ", 1)
        assert (await server.say(wanted)).startswith(b"HTTP/1.1 101 ")
        evil = request("GET", Origin="https://evil.example.net", **upgrade).replace(b"/ ", b"/socket ", 1)
        status, _, body = parsed(await server.say(evil))
        assert (status, body["code"]) == (403, "ForeignOrigin")

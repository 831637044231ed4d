"""Whatever callers of the control socket say and whenever they hang up: each gets its place back, and the node goes on."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.control.admission import Admission
from appliance.control.conversation import Operation, Request
from appliance.control.feed import Feed
from appliance.control.server import ControlServer

ADDRESS = f"\0appliance-fuzz-control-{os.getpid()}"
NAMES = ["echo", "wait", "whole", "long", "bug", "items", "follow", "nothing"]
IDS = st.integers(0, 4) | st.none()


def line(**message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


QUESTIONS = st.builds(lambda number, op: line(id=number, op=op), IDS, st.sampled_from(NAMES))
WITH_BODIES = st.builds(
    lambda number, said, sent: line(id=number, op="long", body=said) + bytes(sent),
    IDS,
    st.integers(0, 3000),
    st.integers(0, 3000),
)
CANCELS = st.builds(lambda number: line(cancel=number), IDS)
RUBBISH = st.binary(max_size=40) | st.just(b"x" * 70_000) | st.just(b"\n")
PAUSE, READ, END = b"pause", b"read", b"end"
DEEDS = st.lists(QUESTIONS | QUESTIONS | WITH_BODIES | CANCELS | RUBBISH | st.sampled_from([PAUSE, READ, END]), max_size=25)


@given(st.lists(DEEDS, max_size=4))
def test_every_caller_gets_its_place_back(callers: list[list[bytes]]) -> None:
    asyncio.run(converse(callers))


async def converse(callers: list[list[bytes]]) -> None:
    mistakes: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: mistakes.append(context))
    feed, admission = Feed(most=4), Admission()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(ADDRESS)
        listener.listen()
        server = ControlServer(operations(feed), allowed, admission)
        server.serve(listener)
        await asyncio.gather(*(call(deeds, feed) for deeds in callers))
        async with asyncio.timeout(60):
            while admission._connected:  # noqa: ASYNC110  the server has no events for tests
                await asyncio.sleep(0)
        assert len(feed) == 0
        await server.close()
    assert not mistakes


def operations(feed: Feed) -> dict[str, Operation]:
    async def echo(request: Request) -> Any:
        return request.args

    async def wait(_request: Request) -> Any:
        await asyncio.sleep(0.001)
        return "x" * 100_000

    async def length(request: Request) -> Any:
        return len(request.body)

    async def bug(_request: Request) -> Any:
        raise ZeroDivisionError

    async def items(_request: Request) -> Any:
        for number in range(30):
            yield number
        raise ZeroDivisionError

    return {
        "echo": Operation("read", echo),
        "wait": Operation("read", wait),
        "whole": Operation("change", wait, whole=True),
        "long": Operation("change", length, most_bytes=2000),
        "bug": Operation("read", bug),
        "items": Operation("read", items),
        "follow": Operation("read", lambda _request: feed.follow(lambda: "first")),
    }


async def allowed(_principal: object, _permission: str, target: str) -> bool:
    return target != "echo"


async def call(deeds: list[bytes], feed: Feed) -> None:
    reader, writer = await asyncio.open_unix_connection(ADDRESS)
    with suppress(OSError):
        for deed in deeds:
            feed.say("something happened")
            if deed is PAUSE:
                await asyncio.sleep(0)
            elif deed is READ:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await reader.read(5000)
            elif deed is END:
                writer.write_eof()
                break
            else:
                writer.write(deed)
    writer.transport.abort()

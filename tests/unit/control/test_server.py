"""The control socket as callers meet it: answers, refusals, bounds."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.control.admission import OF_ROOT, Admission
from appliance.control.conversation import MOST_REFUSED, MOST_UNDER_WAY, OF_THE_API_SERVER, Operation, Request
from appliance.control.feed import Feed
from appliance.control.messages import MAX_LINE
from appliance.control.server import ControlServer
from appliance.errors import ExitCode, ProfileError

ADDRESS = f"\0appliance-test-control-{os.getpid()}"


async def echo(request: Request) -> Any:
    return request.args


async def refuse(_request: Request) -> Any:
    raise ProfileError("the profile is wrong", hint="mend it")


async def length(request: Request) -> Any:
    return len(request.body)


async def bug(_request: Request) -> Any:
    raise ZeroDivisionError


class Gate:
    """Operations that wait until they are let go, and note how they end."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.began = 0
        self.ended: list[str] = []

    async def wait(self, _request: Request) -> Any:
        self.began += 1
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("done")
        return "done"


async def three(_request: Request) -> AsyncGenerator[Any, None]:
    for number in range(3):
        yield number


async def breaks(_request: Request) -> AsyncGenerator[Any, None]:
    yield 1
    raise ProfileError("no more", hint="ask again")


class Node:
    """What there is to ask for."""

    serving: ControlServer

    def __init__(self) -> None:
        self.asked: list[tuple[Principal, str, str]] = []
        self.gate = Gate()
        self.feed = Feed(most=8)
        self.operations = {
            "echo": Operation("node.read", echo),
            "refuse": Operation("node.change", refuse),
            "bug": Operation("node.read", bug),
            "long": Operation("node.change", length, most_bytes=1 << 20),
            "wait": Operation("node.read", self.gate.wait),
            "whole": Operation("node.change", self.gate.wait, whole=True),
            "three": Operation("node.read", three),
            "breaks": Operation("node.read", breaks),
            "follow": Operation("node.read", lambda _request: self.feed.follow(lambda: "first")),
        }


@asynccontextmanager
async def server(*, allow: bool = True, admission: Admission | None = None) -> AsyncIterator[Node]:
    node = Node()

    async def allowed(principal: Principal, permission: str, target: str) -> bool:
        node.asked.append((principal, permission, target))
        return allow

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(ADDRESS)
        listener.listen()
        node.serving = ControlServer(node.operations, allowed, admission or Admission())
        node.serving.serve(listener)
        try:
            yield node
        finally:
            await node.serving.close()


class Caller:
    """A connection on which several questions may be under way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, **message: Any) -> None:
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            message: dict[str, Any] = json.loads(await self.reader.readline())
            return message


@asynccontextmanager
async def caller() -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_unix_connection(ADDRESS)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


async def until(there: Callable[[], object]) -> None:
    """Turn the loop until it is so."""
    async with asyncio.timeout(60):
        while not there():  # noqa: ASYNC110  the server has no events for tests
            await asyncio.sleep(0)


async def ask(line: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(ADDRESS)
    try:
        writer.write(line + b"\n")
        answer: dict[str, Any] = json.loads(await reader.readline())
        return answer
    finally:
        writer.close()


async def test_an_answer_and_who_asked() -> None:
    async with server() as node:
        assert await ask(b'{"op": "echo", "args": {"a": 1}}') == {"ok": True, "result": {"a": 1}}
    principal, permission, target = node.asked[0]
    assert (principal.uid, principal.pid, permission, target) == (os.geteuid(), os.getpid(), "node.read", "echo")


async def test_an_error_carries_its_hint_and_exit_code() -> None:
    async with server():
        answer = await ask(b'{"op": "refuse"}')
    assert answer["error"] == {
        "code": "ProfileError",
        "message": "the profile is wrong",
        "hint": "mend it",
        "exit": ExitCode.INVALID,
    }


async def test_who_may_not_is_told_so() -> None:
    async with server(allow=False):
        answer = await ask(b'{"op": "echo"}')
    assert answer["error"]["exit"] == ExitCode.PERMISSION


async def test_a_bug_is_no_end() -> None:
    async with server():
        assert (await ask(b'{"op": "bug"}'))["error"]["code"] == "bug"
        assert (await ask(b'{"op": "echo"}'))["ok"]


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"3", b'{"args": {}}', b'{"op": "echo", "args": 3}', b'{"op": "nothing"}', b"[" * 9999]
)
async def test_nonsense_is_answered(line: bytes) -> None:
    async with server():
        assert (await ask(line))["ok"] is False


async def test_a_line_without_end_is_refused() -> None:
    async with server():
        assert (await ask(b"x" * (MAX_LINE + 10)))["error"]["code"] == "too-long"


async def test_who_is_not_admitted_is_told_to_wait() -> None:
    full = Admission()
    while full.admit(os.geteuid()) is None:
        pass
    async with server(admission=full):
        reader, writer = await asyncio.open_unix_connection(ADDRESS)
        assert json.loads(await reader.read())["error"]["exit"] == ExitCode.RETRY
        writer.close()
        full.leave(os.geteuid())
        assert (await ask(b'{"op": "echo"}'))["ok"]


async def test_a_caller_who_hangs_up_makes_room() -> None:
    admission = Admission()
    async with server(admission=admission):
        for _ in range(2 * OF_ROOT):
            assert (await ask(b'{"op": "echo"}'))["ok"]
    assert not admission.refused


async def test_a_question_whose_asker_has_gone_is_not_carried_out() -> None:
    async with server() as node:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as impatient:
            impatient.connect(ADDRESS)
            impatient.sendall(b'{"op": "echo"}\n')
        assert (await ask(b'{"op": "echo"}'))["ok"], "a later one is answered, so the first has been read"
        assert len(node.asked) == 1


async def test_refusals_are_counted() -> None:
    admission = Admission()
    async with server(allow=False, admission=admission):
        for _ in range(3):
            await ask(b'{"op": "echo"}')
    assert admission.refused == {"permission": 3}


async def test_what_follows_a_question() -> None:
    async with server():
        reader, writer = await asyncio.open_unix_connection(ADDRESS)
        for size in (1 << 20, 3):
            writer.write(b'{"op": "long", "body": %d}\n' % size + b"x" * size)
            assert json.loads(await reader.readline()) == {"ok": True, "result": size}
        writer.close()
        assert (await ask(b'{"op": "long"}'))["result"] == 0


@pytest.mark.parametrize("question", [b'{"op": "long", "body": 1048577}', b'{"op": "echo", "body": 1}'])
async def test_more_than_an_operation_takes_is_refused_unread(question: bytes) -> None:
    async with server():
        assert (await ask(question))["error"]["code"] == "too-long"


async def test_a_stranger_s_bytes_are_not_read() -> None:
    async with server(allow=False):
        reader, writer = await asyncio.open_unix_connection(ADDRESS)
        writer.write(b'{"op": "long", "body": 20}\n{"op": "echo"}      \n')
        answers = (await reader.read()).splitlines()
        assert [json.loads(answer)["error"]["code"] for answer in answers] == ["permission"]
        writer.close()


async def test_answers_come_when_they_are_ready() -> None:
    async with server() as node, caller() as asker:
        asker.say(id=1, op="wait")
        asker.say(id=2, op="echo", args={"a": 2})
        asker.say(op="echo", args={"a": 0})
        assert await asker.hear() == {"id": 2, "ok": True, "result": {"a": 2}}
        assert await asker.hear() == {"ok": True, "result": {"a": 0}}
        node.gate.open.set()
        assert await asker.hear() == {"id": 1, "ok": True, "result": "done"}


async def test_a_stream_is_items_and_an_end() -> None:
    async with server(), caller() as asker:
        asker.say(id=5, op="three")
        assert [await asker.hear() for _ in range(4)] == [
            *({"id": 5, "item": number} for number in range(3)),
            {"id": 5, "ok": True, "result": None},
        ]
        asker.say(id=5, op="breaks")
        assert await asker.hear() == {"id": 5, "item": 1}
        assert (await asker.hear())["error"]["message"] == "no more"


async def test_a_question_taken_back_ends_and_the_rest_goes_on() -> None:
    async with server() as node, caller() as asker:
        asker.say(id=1, op="follow")
        asker.say(id=2, op="wait")
        assert await asker.hear() == {"id": 1, "item": "first"}
        await until(lambda: node.gate.began)
        asker.say(cancel=2)
        assert (await asker.hear())["error"]["code"] == "cancelled"
        assert node.gate.ended == ["cancelled"]
        node.feed.say("still there")
        assert await asker.hear() == {"id": 1, "item": "still there"}
        asker.say(cancel=1)
        answer = await asker.hear()
        assert (answer["id"], answer["error"]["code"]) == (1, "cancelled")
        assert len(node.feed) == 0
        asker.say(cancel=99)  # answered long ago, or never asked
        asker.say(id=1, op="echo")
        assert (await asker.hear())["ok"]


async def test_what_must_not_stop_half_way_goes_on_when_it_is_taken_back() -> None:
    async with server() as node, caller() as asker:
        asker.say(id=1, op="whole")
        asker.say(cancel=1)
        asker.say(id=2, op="echo")
        assert (await asker.hear())["id"] == 2
        node.gate.open.set()
        assert await asker.hear() == {"id": 1, "ok": True, "result": "done"}


async def test_hanging_up_takes_all_back_but_what_must_not_stop_half_way() -> None:
    admission = Admission()
    async with server(admission=admission) as node:
        async with caller() as asker:
            asker.say(id=1, op="wait")
            asker.say(id=2, op="whole")
            asker.say(id=3, op="follow")
            assert (await asker.hear())["id"] == 3
            await until(lambda: node.gate.began == 2)
        await until(lambda: node.gate.ended == ["cancelled"] and not node.feed)
        assert admission._connected, "its place is taken until the last of its questions is over"
        node.gate.open.set()
        await until(lambda: node.gate.ended == ["cancelled", "done"] and not admission._connected)


async def test_a_daemon_that_ends_cancels_what_is_under_way_and_says_so() -> None:
    async with server() as node, caller() as asker:
        asker.say(id=1, op="whole")
        asker.say(id=2, op="follow")
        assert (await asker.hear())["id"] == 2
        await until(lambda: node.gate.began)
        await node.serving.close()
        assert node.gate.ended == ["cancelled"]
        heard = [await asker.hear(), await asker.hear()]
        assert {message["id"]: message["error"]["code"] for message in heard} == {1: "stopping", 2: "stopping"}
        assert await asker.reader.read() == b""


async def test_who_says_nothing_more_still_hears_the_answer() -> None:
    async with server() as node, caller() as asker:
        asker.say(op="wait")
        asker.writer.write_eof()
        await until(lambda: node.gate.began)
        node.gate.open.set()
        assert await asker.hear() == {"ok": True, "result": "done"}
        assert await asker.reader.read() == b""


async def test_who_follows_and_does_not_read_hears_how_much_it_missed() -> None:
    async with server() as node, caller() as asker:
        asker.say(id=1, op="follow")
        assert await asker.hear() == {"id": 1, "item": "first"}
        heard: list[dict[str, Any]] = []
        said = 0
        while not any("lost" in message for message in heard):
            for _ in range(100):
                node.feed.say("x" * 5000)
                said += 1
            for _ in range(20):
                await asyncio.sleep(0)
            asker.say(id=2, op="echo")  # who does not read what follows is heard nevertheless
            while (message := await asker.hear())["id"] == 1:
                heard.append(message)
        received = sum(message.get("lost", 1) for message in heard)
        assert said - 8 <= received <= said


async def test_an_id_is_used_once_at_a_time() -> None:
    async with server() as node, caller() as asker:
        asker.say(id=1, op="wait")
        asker.say(id=1, op="echo")
        answer = await asker.hear()
        assert (answer["id"], answer["error"]["code"]) == (1, "id-in-use")
        node.gate.open.set()
        assert (await asker.hear())["result"] == "done"
        asker.say(id=1, op="echo")
        assert (await asker.hear())["ok"]


async def test_questions_at_a_time_are_bounded_and_more_are_counted() -> None:
    admission = Admission()
    async with server(admission=admission), caller() as asker:
        for number in range(MOST_UNDER_WAY + 1):
            asker.say(id=number, op="wait")
        answer = await asker.hear()
        assert (answer["id"], answer["error"]["code"]) == (MOST_UNDER_WAY, "too-many-questions")
        assert answer["error"]["exit"] == ExitCode.RETRY
        assert admission.refused == {"questions": 1}
        asker.say(cancel=0)
        assert (await asker.hear())["id"] == 0
        asker.say(id=99, op="echo")
        assert (await asker.hear())["ok"]


async def test_a_refusal_ends_that_question_only() -> None:
    async with server(), caller() as asker:
        asker.say(id=1, op="nothing")
        assert (await asker.hear())["error"]["code"] == "unknown-operation"
        asker.say(id=2, op="echo")
        assert (await asker.hear())["ok"]


async def test_who_asks_in_vain_for_ever_is_hung_up_on() -> None:
    async with server(allow=False), caller() as asker:
        for number in range(2 * MOST_REFUSED):
            asker.say(id=number, op="echo")
        heard = (await asker.reader.read()).splitlines()
        assert len(heard) == MOST_REFUSED


async def test_many_questions_in_one_piece_do_not_keep_others_waiting() -> None:
    async with server(), caller() as busy:
        for number in range(1000):
            busy.say(id=number, op="echo")
        answered = asyncio.ensure_future(busy.reader.readuntil(b'"id": 999, '))
        assert (await ask(b'{"op": "echo"}'))["ok"]
        assert not answered.done()
        await answered


# ---- for whom it is asked ----


async def test_the_api_server_asks_for_its_users() -> None:
    async with server() as node:
        ours, theirs = socket.socketpair()
        node.serving.attend(ours, Principal("api-server", "api-server"), OF_THE_API_SERVER)
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        writer.write(b'{"op": "echo", "as": {"name": "alice", "roles": ["viewer"], "request": "r1"}}\n{"op": "echo", "id": 1}\n')
        for _ in range(2):
            assert json.loads(await reader.readline())["ok"]
        assert [principal for principal, _, _ in node.asked] == [
            Principal("api", "alice", roles=("viewer",), request="r1"),
            Principal("api-server", "api-server"),
        ]
        writer.close()


async def test_nobody_else_asks_for_anybody() -> None:
    async with server() as node:
        reader, writer = await asyncio.open_unix_connection(ADDRESS)
        writer.write(b'{"op": "echo", "as": {"name": "alice", "roles": ["admin"]}}\n')
        answer = json.loads(await reader.readline())
        assert answer["error"]["code"] == "permission"
        assert node.asked == []
        writer.close()


async def test_users_who_ask_in_vain_do_not_end_the_api_server_s_connection() -> None:
    async with server(allow=False) as node:
        ours, theirs = socket.socketpair()
        node.serving.attend(ours, Principal("api-server", "api-server"), OF_THE_API_SERVER)
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        for _ in range(MOST_REFUSED + 1):
            writer.write(b'{"op": "echo", "as": {"name": "mallory"}}\n')
            assert json.loads(await reader.readline())["error"]["code"] == "permission"
        writer.close()


async def test_who_thinks_long_about_one_user_of_the_api_server_delays_no_other() -> None:
    async with server() as node:
        thought = asyncio.Event()

        async def allowed(principal: Principal, _permission: str, _target: str) -> bool:
            if principal.name == "mallory":
                await thought.wait()
            return principal.name != "mallory"

        node.serving._allowed = allowed
        ours, theirs = socket.socketpair()
        node.serving.attend(ours, Principal("api-server", "api-server"), OF_THE_API_SERVER)
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        writer.write(b'{"op": "echo", "id": 1, "as": {"name": "mallory"}}\n{"op": "echo", "id": 2, "as": {"name": "alice"}}\n')
        async with asyncio.timeout(60):
            assert json.loads(await reader.readline())["id"] == 2
            writer.write(b'{"op": "echo", "id": 3, "as": {"name": "mallory"}}\n{"cancel": 3}\n')
            taken_back = json.loads(await reader.readline())
            assert (taken_back["id"], taken_back["error"]["code"]) == (3, "cancelled")
            thought.set()
            assert json.loads(await reader.readline())["error"]["code"] == "permission"
        writer.close()

"""The control socket as callers meet it: answers, refusals, bounds."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.control.admission import OF_ROOT, Admission
from appliance.control.server import MAX_LINE, ControlServer, Operation
from appliance.errors import ExitCode, ProfileError

ADDRESS = f"\0appliance-test-control-{os.getpid()}"


async def echo(args: Mapping[str, Any]) -> Any:
    return dict(args)


async def refuse(_args: Mapping[str, Any]) -> Any:
    raise ProfileError("the profile is wrong", hint="mend it")


async def length(args: Mapping[str, Any]) -> Any:
    return len(args.get("body", b""))


async def bug(_args: Mapping[str, Any]) -> Any:
    raise ZeroDivisionError


OPERATIONS = {
    "echo": Operation("node.read", echo),
    "refuse": Operation("node.change", refuse),
    "bug": Operation("node.read", bug),
    "long": Operation("node.change", length, most_bytes=1 << 20),
}


@asynccontextmanager
async def server(*, allow: bool = True, admission: Admission | None = None) -> AsyncIterator[list[tuple[Principal, str, str]]]:
    asked: list[tuple[Principal, str, str]] = []

    def allowed(principal: Principal, permission: str, target: str) -> bool:
        asked.append((principal, permission, target))
        return allow

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(ADDRESS)
        listener.listen()
        serving = ControlServer(OPERATIONS, allowed, admission or Admission())
        serving.serve(listener)
        try:
            yield asked
        finally:
            await serving.close()


async def ask(line: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(ADDRESS)
    try:
        writer.write(line + b"\n")
        answer: dict[str, Any] = json.loads(await reader.readline())
        return answer
    finally:
        writer.close()


async def test_an_answer_and_who_asked() -> None:
    async with server() as asked:
        assert await ask(b'{"op": "echo", "args": {"a": 1}}') == {"ok": True, "result": {"a": 1}}
    principal, permission, target = asked[0]
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
    async with server() as asked:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as impatient:
            impatient.connect(ADDRESS)
            impatient.sendall(b'{"op": "echo"}\n')
        assert (await ask(b'{"op": "echo"}'))["ok"], "a later one is answered, so the first has been read"
        assert len(asked) == 1


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


@pytest.mark.parametrize(
    "question", [b'{"op": "long", "body": 1048577}', b'{"op": "long", "body": -1}', b'{"op": "echo", "body": 1}']
)
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

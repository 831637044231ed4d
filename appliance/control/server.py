"""The control socket: one JSON object a line each way, callers known by the kernel's word, everything bounded.

    {"op": "status", "args": {}}   →   {"ok": true, "result": …}
                                       {"ok": false, "error": {"code": …, "message": …, "hint": …, "exit": n}}

A question with `"body": n` is followed by n bytes, if its operation takes any. After a refusal the daemon hangs up.
Where it is and who may have it: `control.address`. How many callers there may be: `admission`.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from appliance.api.management import Principal
from appliance.control.admission import Admission, is_root
from appliance.control.callers import principal_of, user_of
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation.logging import get_logger

log = get_logger("control")

MAX_LINE = 64 * 1024
"""Bytes of a question; the longest real one is a reload with a few paths."""
ACCEPTS = 16
"""Callers taken in a turn of the event loop: a user who connects as fast as can be does not keep it from the rest."""
IDLE_SECONDS = 60.0
OTHERS_IDLE_SECONDS = 10.0
"""How long root, and anybody else, may be silent between questions, or take to read an answer."""


class Operation(NamedTuple):
    """Something callers may ask for: `handler(args)` gives a JSON-able result or raises ApplianceError.

    `most_bytes`: how much may follow the question, as `"body": n` in it announces; the handler finds it as `args["body"]`.
    """

    permission: str
    handler: Callable[[Mapping[str, Any]], Awaitable[Any]]
    most_bytes: int = 0


class ControlServer:
    """Answers on the control socket. `allowed(principal, permission, target)` decides who may do what."""

    def __init__(
        self, operations: Mapping[str, Operation], allowed: Callable[[Principal, str, str], bool], admission: Admission
    ) -> None:
        self._operations = operations
        self._allowed = allowed
        self._admission = admission
        self._clients: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None

    def serve(self, listener: socket.socket) -> None:
        """Begin to answer on `listener`, which stays the caller's."""
        self._listener = listener.dup()
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def close(self) -> None:
        """Stop listening, let answers under way go out, and hang up."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
        current = asyncio.current_task()
        clients = [task for task in self._clients if task is not current]
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, _ = listener.accept()
            except OSError:  # nobody else, or no descriptor for them
                return
            connection.setblocking(False)  # noqa: FBT003
            uid = user_of(connection)
            reason = self._admission.admit(uid)
            if reason is not None:
                _hang_up(connection, reason)
                continue
            task = asyncio.get_running_loop().create_task(self._connected(connection, uid), name="caller")
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)

    async def _connected(self, connection: socket.socket, uid: int) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(sock=connection, limit=MAX_LINE)
            try:
                await self._converse(reader, writer, IDLE_SECONDS if is_root(uid) else OTHERS_IDLE_SECONDS)
            finally:
                writer.close()
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # the caller is gone, or we are going
        finally:
            self._admission.leave(uid)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> None:
        principal = principal_of(writer.get_extra_info("socket"))
        while True:
            try:
                async with asyncio.timeout(patience):
                    line = await reader.readline()
            except ValueError:  # longer than MAX_LINE
                await _send(writer, failure("too-long", f"a question has at most {MAX_LINE} bytes"))
                return
            if not line or has_hung_up(writer.get_extra_info("socket")):
                return
            asked = self._judged(principal, line)
            if not isinstance(asked, _Question):
                async with asyncio.timeout(patience):
                    await _send(writer, asked)
                return  # what may follow is no question
            args = asked.args
            if asked.body:
                async with asyncio.timeout(patience):
                    args = args | {"body": await reader.readexactly(asked.body)}
            answer = await _perform(asked.name, asked.operation, args)
            async with asyncio.timeout(patience):
                await _send(writer, answer)

    def _judged(self, principal: Principal, line: bytes) -> _Question | dict[str, Any]:
        """What is asked, or the answer that says no."""
        try:
            question = json.loads(line)
            name, args, body = question["op"], question.get("args") or {}, question.get("body") or 0
            operation = self._operations.get(name)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return failure("not-understood", 'a question is a line like {"op": "status", "args": {}}')
        if operation is None or not isinstance(args, dict):
            known = ", ".join(self._operations)
            return failure("unknown-operation", f"there is no operation {name!r}", f"there are: {known}", ExitCode.INVALID)
        if not self._allowed(principal, operation.permission, name):
            self._admission.refuse("permission", principal.uid or 0, pid=principal.pid, op=name)
            return failure(
                "permission",
                f"user {principal.name} may not do this ({operation.permission})",
                "ask as root, or as a member of the profile's control.group",
                ExitCode.PERMISSION,
            )
        if type(body) is not int or not 0 <= body <= operation.most_bytes:
            return failure("too-long", f"at most {operation.most_bytes} bytes may follow {name}")
        return _Question(name, operation, args, body)


class _Question(NamedTuple):
    """A question of somebody who may ask it, and how many bytes follow it."""

    name: str
    operation: Operation
    args: dict[str, Any]
    body: int


async def _perform(name: str, operation: Operation, args: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"ok": True, "result": await operation.handler(args)}
    except ApplianceError as error:
        answer = failure(str(getattr(error, "code", type(error).__name__)), error.message, error.hint, error.exit_code)
        problems = getattr(error, "problems", None)
        if problems is not None:
            answer["error"]["problems"] = [_problem(problem) for problem in problems]
        return answer
    except Exception:
        log.exception("an operation failed", op=name)
        return failure("bug", f"{name} failed: this should not have happened", "look at the daemon's log", ExitCode.FAILURE)


def has_hung_up(sock: socket.socket) -> bool:
    """Has the other end closed? A question whose asker was told that it timed out must not be carried out after all."""
    watched = select.poll()
    watched.register(sock.fileno(), 0)
    return any(event & select.POLLHUP for _, event in watched.poll(0))


def failure(code: str, message: str, hint: str = "", exit_code: ExitCode = ExitCode.FAILURE) -> dict[str, Any]:
    """The line that says no."""
    return {"ok": False, "error": {"code": code, "message": message, "hint": hint, "exit": int(exit_code)}}


def _hang_up(connection: socket.socket, reason: str) -> None:
    whose = "of this user " if reason == "user-busy" else ""
    answer = failure(reason, f"too many callers {whose}at once", "try again in a moment", ExitCode.RETRY)
    with connection, suppress(OSError):
        connection.send(json.dumps(answer).encode() + b"\n")


def _problem(problem: object) -> dict[str, Any]:
    found = {name: getattr(problem, name, None) for name in ("file", "line", "col", "path", "message", "hint", "source_line")}
    return {name: value if value is None or isinstance(value, int) else str(value) for name, value in found.items()}


async def _send(writer: asyncio.StreamWriter, answer: Mapping[str, Any]) -> None:
    writer.write(json.dumps(answer, ensure_ascii=False, default=str).encode() + b"\n")
    await writer.drain()

"""One caller at the control socket: reads its questions, has each answered in a task of its own, ends them when it hangs up."""

from __future__ import annotations

import asyncio
import math
import select
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final, NamedTuple

from appliance.api.management import Principal
from appliance.control.admission import Admission, is_root
from appliance.control.feed import Missed
from appliance.control.handing import Hand, Handed
from appliance.control.messages import (
    MAX_LINE,
    Answer,
    Cancel,
    Id,
    Item,
    Lost,
    NotUnderstood,
    Question,
    Refusal,
    line_of,
    to_node,
)
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import cancelled

log = get_logger("control")

IDLE_SECONDS = 60.0
OTHERS_IDLE_SECONDS = 10.0
"""How long root, and anybody else, may be silent while nothing is under way, or take to read an answer."""
MOST_UNDER_WAY = 16
"""Questions at a time on one connection."""
MOST_REFUSED = 16
"""Questions refused on one connection until it is closed: who asks in vain for ever is not to keep the node busy."""
LAST_SECONDS = 0.5
"""How long a caller may take to read what was written, once the node hangs up."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether a caller that says nothing more still listens."""
API_SERVER: Final = "api-server"
"""The kind of principal that may ask for others."""
_WHO_MAY: Final = {
    "local": "ask as root, or as a member of the profile's control.group",
    "api": "an admin can give the user a role that may: appliance api users.change",
    API_SERVER: "that is for its users",
}


class Request(NamedTuple):
    """A question as its handler has it."""

    principal: Principal
    """Who asks, by the kernel's word."""
    args: Mapping[str, Any]
    body: bytes = b""
    """What followed the question."""
    trace: str = ""
    """The traceparent of the API server's step that asks; "" where nothing is recorded."""


class Patience(NamedTuple):
    """What a caller may do to the node's patience."""

    idle: float | None
    """Seconds it may be silent while nothing is under way, or take to read an answer; None: for ever."""
    under_way: int = MOST_UNDER_WAY
    refused: float = MOST_REFUSED


OF_THE_API_SERVER: Final = Patience(None, 512, math.inf)
"""It asks for many, of whom some ask in vain, and is the node's own."""


class Operation(NamedTuple):
    """Something callers may ask for."""

    permission: str
    handler: Callable[[Request], Awaitable[Any] | AsyncGenerator[Any, None]]
    """Gives the answer, JSON-able, or raises ApplianceError. Items of an asynchronous generator are an answer that is a stream; a
    `Missed` among them stands for what was not taken in time. An answer or item that is `Handed` brings descriptors."""
    most_bytes: int = 0
    """How much may follow the question."""
    whole: bool = False
    """It must not stop half way: neither cancelling nor hanging up ends it."""


Allowed = Callable[[Principal, str, str], Awaitable[bool]]
"""May (principal) do (permission, operation)?"""


class Conversation:
    """A caller that was let in: `principal`, at the other end of `writer`."""

    def __init__(
        self,
        operations: Mapping[str, Operation],
        allowed: Allowed,
        admission: Admission,
        principal: Principal,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        patience: Patience | None = None,
    ) -> None:
        self._operations = operations
        self._allowed = allowed
        self._admission = admission
        self._uid = -1 if principal.uid is None else principal.uid
        self._reader = reader
        self._writer = writer
        self._socket: socket.socket = writer.get_extra_info("socket")
        self._principal = principal
        self._most = patience or Patience(IDLE_SECONDS if is_root(self._uid) else OTHERS_IDLE_SECONDS)
        self._patience = self._most.idle
        self._hand = Hand(writer)
        self._under_way: dict[Id, _UnderWay] = {}
        self._refused = 0
        self._ending = False

    async def hold(self) -> None:
        """Answer until the caller hangs up, is too slow, or was refused too often; over when everything it asked for is over.
        Cancelled, it cancels all of that. The connection is left to whoever made it."""
        try:
            with suppress(_Gone, EOFError, TimeoutError):
                if await self._hear():
                    await self._wait_while_it_listens()
            self._end_answers(also_whole=False)
            await self._hang_up()
            await self._ended()
        finally:
            self._ending = True
            self._end_answers(also_whole=True)
            await self._ended()
            self._hand.close()

    # ---- what comes in ----

    async def _hear(self) -> bool:
        """Take questions. True when the caller says nothing more, False when it is to hear nothing more."""
        while self._refused < self._most.refused:
            line = await self._line()
            if not line or has_hung_up(self._socket):
                return not line
            try:
                message = to_node(line)
            except NotUnderstood:
                await self._send(failure("not-understood", 'a question is a line like {"op": "status", "args": {}}'))
                return False  # what may follow is no question
            if isinstance(message, Cancel):
                self._cancel(message.id)
            elif not await self._take(message):
                return False
            await asyncio.sleep(0)  # many questions in one piece do not keep the loop from the rest
        return False

    async def _line(self) -> bytes:
        """The next line; b"" at the end. Raises TimeoutError, _Gone."""
        while True:
            try:
                async with asyncio.timeout(self._patience):
                    return await self._reader.readline()
            except TimeoutError:
                if not self._under_way:
                    raise
            except ValueError:  # longer than MAX_LINE
                await self._send(failure("too-long", f"a question has at most {MAX_LINE} bytes"))
                raise _Gone from None
            except OSError as error:
                raise _Gone from error

    async def _take(self, question: Question) -> bool:
        """Have it answered, or refuse it. False when what follows on the connection is no question."""
        aside = self._principal.kind == API_SERVER and not question.body  # who thinks long about one user delays no other
        refusal = self._unknown(question) or (None if aside else await self._forbidden(question)) or self._too_much(question)
        if refusal is not None:
            self._refused += 1
            await self._send(refusal)
            return not question.body  # what follows it is not read
        async with asyncio.timeout(self._patience):
            body = await self._reader.readexactly(question.body)
        trace = "" if question.on_behalf is None else question.on_behalf.trace
        operation, request = self._operations[question.op], Request(self._asker(question), question.args, body, trace)
        answering = self._judged(question, operation, request) if aside else self._answer(question, operation, request)
        task = asyncio.get_running_loop().create_task(answering, name=f"answer {question.op}")
        self._under_way[question.id] = _UnderWay(task, operation)
        task.add_done_callback(lambda _task: self._under_way.pop(question.id))
        return True

    def _asker(self, question: Question) -> Principal:
        """For whom it is asked. The API server asks for its users; nobody else asks for anybody."""
        if question.on_behalf is None or self._principal.kind != API_SERVER:
            return self._principal
        name, roles, request, _trace = question.on_behalf
        return Principal("api", name, roles=roles, request=request)

    def _unknown(self, question: Question) -> Refusal | None:
        if question.op not in self._operations:
            known = ", ".join(self._operations)
            sentence = f"there is no operation {question.op[:100]!r}"
            return failure("unknown-operation", sentence, f"there are: {known}", ExitCode.INVALID, to=question.id)
        if question.on_behalf is not None and self._asker(question).kind != "api":
            return failure("permission", "only the API server asks for others", "", ExitCode.PERMISSION, to=question.id)
        return None

    async def _forbidden(self, question: Question) -> Refusal | None:
        operation, asker = self._operations[question.op], self._asker(question)
        if not await self._allowed(asker, operation.permission, question.op):
            self._admission.refuse("permission", self._uid, pid=self._principal.pid, op=question.op)
            return failure(
                "permission",
                f"user {asker.name} may not do this ({operation.permission})",
                _WHO_MAY[asker.kind],
                ExitCode.PERMISSION,
                to=question.id,
            )
        return None

    def _too_much(self, question: Question) -> Refusal | None:
        most = self._operations[question.op].most_bytes
        if question.body > most:
            return failure("too-long", f"at most {most} bytes may follow {question.op}", to=question.id)
        if question.id in self._under_way:
            return failure("id-in-use", "a question with this id is under way on this connection", to=question.id)
        if len(self._under_way) >= self._most.under_way:
            self._admission.refuse("questions", self._uid, pid=self._principal.pid)
            sentence = f"at most {self._most.under_way} questions may be under way on one connection"
            return failure("too-many-questions", sentence, "wait for an answer, or cancel one", ExitCode.RETRY, to=question.id)
        return None

    # ---- what goes out ----

    async def _judged(self, question: Question, operation: Operation, request: Request) -> None:
        with suppress(_Gone):
            try:
                refusal = await self._forbidden(question)
            except asyncio.CancelledError:
                if not cancelled():
                    raise
                refusal = self._broken_off(question)
            if refusal is None:
                await self._answer(question, operation, request)
            else:
                await self._send(refusal)

    async def _answer(self, question: Question, operation: Operation, request: Request) -> None:
        with suppress(_Gone):
            last = await self._carried_out(question, operation, request)
            if isinstance(last, Handed):
                await self._hand_over(Answer(question.id, last.value, len(last.sockets)), last, self._patience)
            else:
                await self._send(last)

    async def _carried_out(self, question: Question, operation: Operation, request: Request) -> bytes | Handed:
        """Carry an operation out. Returns the last line of its answer, or what is to be handed over. Raises _Gone."""
        try:
            answer = operation.handler(request)
            if isinstance(answer, AsyncGenerator):
                await self._send_items(question.id, answer)
                return line_of(Answer(question.id, None))
            result = await answer
            return result if isinstance(result, Handed) else line_of(Answer(question.id, result))
        except ApplianceError as error:
            return line_of(Refusal(question.id, error.document()))
        except _Gone:
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and cancelled():
                return line_of(self._broken_off(question))
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise
            log.exception("an operation failed", op=question.op, **_asked_by(request))
            sentence = f"{question.op} failed: this should not have happened"
            return line_of(failure("bug", sentence, "look at the daemon's log", to=question.id))

    def _broken_off(self, question: Question) -> Refusal:
        if self._ending:
            return failure("stopping", "the daemon ends", "", ExitCode.NO_DAEMON, to=question.id)
        return failure("cancelled", "the question was taken back", to=question.id)

    async def _send_items(self, number: Id, items: AsyncGenerator[Any, None]) -> None:
        """Send the items of a stream. The next one is taken only when the last one has been sent: a caller that reads slowly
        delays nobody else, and nothing piles up here."""
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Handed):
                    await self._hand_over(Item(number, item.value, len(item.sockets)), item, None)
                    continue
                self._write(line_of(Lost(number, item.number) if isinstance(item, Missed) else Item(number, item)))
                await self._drain(None)

    async def _hand_over(self, message: Answer | Item, handed: Handed, patience: float | None) -> None:
        """Send it with its descriptors. Raises _Gone."""
        try:
            if self._writer.is_closing():
                raise _Gone
            async with asyncio.timeout(patience):
                await self._hand.over(line_of(message), handed.sockets)
        except (OSError, TimeoutError) as error:
            self._writer.transport.abort()
            raise _Gone from error
        finally:
            handed.close()

    async def _send(self, message: Refusal | bytes) -> None:
        """Raises _Gone when the caller hung up or does not read."""
        self._write(message if isinstance(message, bytes) else line_of(message))
        await self._drain(self._patience)

    def _write(self, line: bytes) -> None:
        if self._writer.is_closing():
            raise _Gone
        self._writer.write(line)

    async def _drain(self, patience: float | None) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            self._writer.transport.abort()  # and so nothing more is heard
            raise _Gone from error

    # ---- how it ends ----

    def _cancel(self, number: Id) -> None:
        found = self._under_way.get(number)
        if found is not None and not found.operation.whole:
            found.task.cancel()

    def _end_answers(self, *, also_whole: bool) -> None:
        for task, operation in list(self._under_way.values()):
            if also_whole or not operation.whole:
                task.cancel()

    async def _ended(self) -> None:
        while self._under_way:
            await asyncio.wait([task for task, _ in self._under_way.values()])

    async def _wait_while_it_listens(self) -> None:
        """The caller says nothing more. If it only shut down its sending half (`echo … | socat - …`), it still gets its
        answers."""
        while self._under_way and not has_hung_up(self._socket):
            tasks = [task for task, _ in self._under_way.values()]
            await asyncio.wait(tasks, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)

    async def _hang_up(self) -> None:
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self._writer.wait_closed()


class _UnderWay(NamedTuple):
    task: asyncio.Task[None]
    operation: Operation


class _Gone(Exception):
    """The caller hung up, or takes nothing."""


def _asked_by(request: Request) -> dict[str, str]:
    """For the log: which request of the API server's that was, and in which trace."""
    said = {"request": request.principal.request, "trace_id": request.trace[3:35]}
    return {name: text for name, text in said.items() if text}


def has_hung_up(sock: socket.socket) -> bool:
    """Has the other end closed? A question whose asker was told that it timed out must not be carried out after all."""
    if sock.fileno() < 0:
        return True
    watched = select.poll()
    watched.register(sock.fileno(), 0)
    return any(event & select.POLLHUP for _, event in watched.poll(0))


def failure(code: str, message: str, hint: str = "", exit_code: ExitCode = ExitCode.FAILURE, *, to: Id = None) -> Refusal:
    """What says no, to the question of that id."""
    return Refusal(to, {"code": code, "message": message, "hint": hint, "exit": int(exit_code)})

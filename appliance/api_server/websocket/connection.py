"""One WebSocket: who is at the other end, what he follows, and the limits of both.

Each subscription is a task that takes the next event when the last one was sent: who does not read keeps nothing but his cursor.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from appliance.api_server.caller import Caller, Unauthenticated
from appliance.api_server.edge.limits import Buckets
from appliance.api_server.problems import bug, document_of
from appliance.api_server.refusals import TooManyRequests
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation.logging import get_logger
from appliance.management.jobs.events import Beat, Event, Stale
from appliance.management.websocket.messages import (
    Authenticate,
    Broadcast,
    NotUnderstood,
    Ping,
    Question,
    Subscribe,
    Unsubscribe,
    id_of,
    read,
    text_of,
)

log = get_logger("api")

MOST_SUBSCRIPTIONS: Final = 32
MOST_QUESTIONS: Final = 16
"""Under way at a time."""
RATE, BURST = 20.0, 60
"""Messages a second, and at once."""
MOST_STRIKES: Final = 20
"""Messages that were refused until the connection is closed: who goes on is not to keep the server busy."""
READS_WITHIN: Final = 30.0
"""Seconds for the other end to take a message."""
HELLO_SECONDS: Final = 10.0
"""To say who one is."""
JUDGE_EVERY: Final = 30.0
"""Seconds between two looks whether the token is still good."""
NORMAL, GOING_AWAY, POLICY, UNAUTHENTICATED = 1000, 1001, 1008, 4401
"""Close codes: RFC 6455, section 7.4.1; 4000 and above are an application's own."""


class MessageInvalid(ApplianceError):
    """A message over a WebSocket is none that this server takes."""

    exit_code = ExitCode.INVALID


class SubscriptionTaken(ApplianceError):
    """A subscription or question of this id is under way on the connection, or there are as many as there may be."""


class Wire(Protocol):
    """Sends and receives texts."""

    async def receive(self) -> str | None:
        """The next text; None when the other end has gone."""

    async def send(self, text: str) -> None:
        """Returns when there is room for another."""

    async def close(self, code: int, reason: str) -> None:
        """End it."""


class Deeds(Protocol):
    """What can be done over it."""

    async def whose(self, token: str) -> Caller:
        """Raises Unauthenticated."""

    def follow(self, caller: Caller, wanted: Subscribe) -> AsyncGenerator[Event | Stale | Beat, None]:
        """Raises ApplianceError."""

    async def ask(self, caller: Caller, question: Question) -> Any:
        """Raises ApplianceError, TimeoutError."""

    def broadcast(self, caller: Caller, message: Broadcast) -> None:
        """Raises ApplianceError."""


Again = Callable[[], Awaitable[Caller]]
"""Looks anew who the caller is. Raises ApplianceError."""


class _Gone(Exception):
    """The other end is gone, or is to be."""


class _Under(NamedTuple):
    task: asyncio.Task[None]
    subscription: bool


class Connection:
    """`caller`: who was known at the handshake already, None if nobody; `again`: who that is now. `now`: monotonic seconds."""

    def __init__(self, wire: Wire, deeds: Deeds, caller: Caller | None, again: Again, now: Callable[[], float]) -> None:
        self._wire = wire
        self._deeds = deeds
        self._caller = caller
        self._again = again
        self._now = now
        self._under_way: dict[int, _Under] = {}
        self._bucket = Buckets(RATE, BURST)
        self._strikes = 0
        self._sending = asyncio.Lock()
        self._ended = False

    async def hold(self) -> None:
        """Until the other end goes, is sent away, or this is cancelled."""
        judging: asyncio.Task[None] | None = None
        try:
            await self._greet()
            judging = asyncio.get_running_loop().create_task(self._judge_again(), name="judge a WebSocket")
            while (text := await self._wire.receive()) is not None:
                await self._take(text)
        except _Gone:
            pass
        finally:
            self._ended = True
            tasks = [each.task for each in self._under_way.values()] + ([judging] if judging else [])
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _greet(self) -> None:
        if self._caller is None:
            try:
                async with asyncio.timeout(HELLO_SECONDS):
                    text = await self._wire.receive()
                    first = None if text is None else read(text)
                if not isinstance(first, Authenticate):
                    raise Unauthenticated("the first message says who asks", hint='{"type": "authenticate", "token": …}')
                self._again = partial(self._deeds.whose, first.token)
                self._caller = await self._again()
            except (ApplianceError, NotUnderstood, TimeoutError) as error:
                reason = error.message if isinstance(error, ApplianceError) else "the first message says who asks"
                await self._wire.close(UNAUTHENTICATED, reason[:100])
                raise _Gone from None
        await self._say(text_of("welcome", user=self._caller.name))

    async def _judge_again(self) -> None:
        """A token that is no longer good ends what it began."""
        with suppress(_Gone):
            while True:
                await asyncio.sleep(JUDGE_EVERY)
                with suppress(ApplianceError):  # the store is busy
                    await self._judge(self._again)

    async def _judge(self, again: Again) -> None:
        """Is it still the same caller with the same rights? What is followed was begun with these. Raises _Gone if not,
        ApplianceError if that cannot be told now."""
        assert self._caller is not None
        try:
            caller = await again()
            reason = "" if _rights(caller) == _rights(self._caller) else "another user, or other rights: connect again"
        except ApplianceError as error:
            if error.retryable:
                raise
            reason = error.message[:100]
        if reason:
            await self._wire.close(UNAUTHENTICATED, reason)
            raise _Gone

    async def _take(self, text: str) -> None:
        number = None
        try:
            wait = self._bucket.take("", self._now())
            if wait:
                raise TooManyRequests("messages come too fast", retry_after=wait)
            message = read(text)
            number = getattr(message, "id", None)
            await self._do(message)
        except NotUnderstood as error:
            await self._refuse(id_of(text), MessageInvalid(str(error), hint="see docs/management.md"))
        except ApplianceError as error:
            await self._refuse(number, error)

    async def _do(self, message: Any) -> None:
        assert self._caller is not None
        if isinstance(message, Subscribe | Question | Broadcast):
            await self._judge(self._again)
        match message:
            case Ping():
                await self._say(text_of("pong"))
            case Authenticate(token=token):
                again = partial(self._deeds.whose, token)
                await self._judge(again)
                self._again = again
                await self._say(text_of("welcome", user=self._caller.name))
            case Subscribe(id=number):
                self._begin(number, self._follow(self._caller, message), subscription=True)
            case Question(id=number):
                self._begin(number, self._answer(self._caller, message), subscription=False)
            case Unsubscribe(id=number):
                found = self._under_way.get(number)
                if found is not None and found.subscription:
                    found.task.cancel()
                else:
                    await self._say(text_of("done", number))
            case Broadcast(id=number):
                self._deeds.broadcast(self._caller, message)
                await self._say(text_of("done", number))

    def _begin(self, number: int, work: Any, *, subscription: bool) -> None:
        most = MOST_SUBSCRIPTIONS if subscription else MOST_QUESTIONS
        if number in self._under_way or sum(each.subscription is subscription for each in self._under_way.values()) >= most:
            work.close()
            raise SubscriptionTaken(
                "this id is under way, or there are as many as there may be", hint=f"at most {most}; take another id, or end one"
            )
        task = asyncio.get_running_loop().create_task(work, name="websocket")
        self._under_way[number] = _Under(task, subscription)
        task.add_done_callback(lambda _task: self._under_way.pop(number, None))

    async def _follow(self, caller: Caller, wanted: Subscribe) -> None:
        number = wanted.id
        try:
            async with aclosing(self._deeds.follow(caller, wanted)) as items:
                await self._say(text_of("done", number))
                async for item in items:
                    await self._say(_told(number, item))
            await self._say(text_of("done", number))
        except asyncio.CancelledError:
            with suppress(_Gone):
                await self._say(text_of("done", number))
            raise
        except ApplianceError as error:
            await self._refuse(number, error)
        except _Gone:
            pass

    async def _answer(self, caller: Caller, question: Question) -> None:
        try:
            try:
                answer = text_of("answer", question.id, result=await self._deeds.ask(caller, question))
            except ApplianceError as error:
                await self._refuse(question.id, error)
                return
            except Exception:
                log.exception("a question over a WebSocket failed", operation=question.operation)
                await self._refuse(question.id, bug(question.operation))
                return
            await self._say(answer)
        except _Gone:
            pass

    async def _refuse(self, number: int | None, error: ApplianceError) -> None:
        await self._say(text_of("problem", number, problem=document_of(error, "")))
        self._strikes += 1
        if self._strikes >= MOST_STRIKES:
            await self._wire.close(POLICY, "too many messages were refused")
            raise _Gone

    async def _say(self, text: str) -> None:
        if self._ended:
            raise _Gone
        try:
            async with asyncio.timeout(READS_WITHIN), self._sending:
                await self._wire.send(text)
        except (OSError, RuntimeError, TimeoutError) as error:
            self._ended = True
            raise _Gone from error


def _rights(caller: Caller) -> tuple[object, ...]:
    return caller.name, caller.user, caller.roles, caller.scopes


def _told(number: int, item: Event | Stale | Beat) -> str:
    match item:
        case Event(cursor, kind, text):
            return text_of("event", number, event={"id": cursor, "kind": kind, "data": json.loads(text)})
        case Stale():
            return text_of("stale", number, **item._asdict())
        case Beat():
            return text_of("heartbeat", number, after=item.cursor)

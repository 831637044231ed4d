"""One WebSocket from its greeting to its end, with somebody at the other end who says what he likes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from appliance.api_server.caller import Caller, Forbidden, Unauthenticated
from appliance.api_server.websocket.connection import BURST, MOST_STRIKES, MOST_SUBSCRIPTIONS, Connection
from appliance.management.jobs.events import Beat, Event, Stale
from appliance.management.websocket.answers import FROM_SERVER
from appliance.management.websocket.messages import Broadcast, Question, Subscribe

ALICE = Caller("alice", ("operator",), "access-token")


class World:
    """The other end, and what can be done."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[str | None] = asyncio.Queue()
        self.from_server: asyncio.Queue[Any] = asyncio.Queue()
        self.events: asyncio.Queue[Event | Stale | Beat] = asyncio.Queue()
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.followed = 0
        self.alice = ALICE
        self.gone = False
        self.heard: list[Broadcast] = []
        self.now = 0.0
        self.reads = asyncio.Event()
        self.reads.set()

    # ---- the wire ----

    async def receive(self) -> str | None:
        return await self.to_server.get()

    async def send(self, text: str) -> None:
        await self.reads.wait()
        said = FROM_SERVER.validate_json(text)
        assert not said.model_extra, "it is described as it is"
        self.from_server.put_nowait(json.loads(text))

    async def close(self, code: int, _reason: str) -> None:
        self.closed.set_result(code)
        self.to_server.put_nowait(None)

    # ---- deeds ----

    async def whose(self, token: str) -> Caller:
        if token not in {"good", "bob's"} or self.gone:
            raise Unauthenticated("the token is not valid")
        return self.alice if token == "good" else Caller("bob", ("admin",), "access-token")

    async def follow(self, _caller: Caller, _wanted: Subscribe) -> AsyncGenerator[Event | Stale | Beat, None]:
        self.followed += 1
        try:
            while True:
                yield await self.events.get()
        finally:
            self.followed -= 1

    async def ask(self, _caller: Caller, question: Question) -> Any:
        if question.operation == "fails":
            raise ZeroDivisionError("a secret")
        if question.operation == "hangs":
            await asyncio.Event().wait()
        return {"asked": question.operation}

    def broadcast(self, _caller: Caller, message: Broadcast) -> None:
        if message.data.get("forbidden"):
            raise Forbidden("may not")
        self.heard.append(message)

    # ---- telling it as a story ----

    def say(self, **message: Any) -> None:
        self.to_server.put_nowait(json.dumps(message))

    async def hears(self) -> Any:
        async with asyncio.timeout(60):
            return await self.from_server.get()


@asynccontextmanager
async def connected(caller: Caller | None = ALICE) -> AsyncIterator[World]:
    world = World()
    holding = asyncio.ensure_future(Connection(world, world, caller, partial(world.whose, "good"), lambda: world.now).hold())
    try:
        if caller is not None:
            assert (await world.hears()) == {"type": "welcome", "user": caller.name}
        yield world
    finally:
        world.to_server.put_nowait(None)
        async with asyncio.timeout(60):
            await holding
        assert world.followed == 0, "what was followed is followed no more"


async def test_events_come_until_they_are_unsubscribed() -> None:
    async with connected() as world:
        world.say(type="subscribe", id=1, topics=["jobs"])
        assert await world.hears() == {"type": "done", "id": 1}
        for item in (Event(18, "jobs.state", '{"a": 1}'), Stale(18, 40, 50), Beat(50)):
            world.events.put_nowait(item)
        assert await world.hears() == {"type": "event", "id": 1, "event": {"id": 18, "kind": "jobs.state", "data": {"a": 1}}}
        assert (await world.hears())["oldest"] == 40
        assert await world.hears() == {"type": "heartbeat", "id": 1, "after": 50}
        world.say(type="unsubscribe", id=1)
        assert await world.hears() == {"type": "done", "id": 1}


async def test_questions_are_answered_as_they_get_ready() -> None:
    async with connected() as world:
        world.say(type="ask", id=1, operation="hangs")
        world.say(type="ask", id=2, operation="status")
        assert await world.hears() == {"type": "answer", "id": 2, "result": {"asked": "status"}}
        world.say(type="ask", id=1, operation="status")
        assert (await world.hears())["problem"]["code"] == "SubscriptionTaken"


async def test_a_mistake_of_ours_tells_nothing_of_itself() -> None:
    async with connected() as world:
        world.say(type="ask", id=1, operation="fails")
        told = await world.hears()
        assert told["problem"]["code"] == "bug"
        assert "secret" not in json.dumps(told)


async def test_who_may_says_something_to_all() -> None:
    async with connected() as world:
        world.say(type="broadcast", id=1, data={"text": "tea"})
        assert await world.hears() == {"type": "done", "id": 1}
        assert world.heard[0].data == {"text": "tea"}
        world.say(type="broadcast", id=2, data={"forbidden": True})
        assert (await world.hears())["problem"]["status"] == 403


async def test_a_stranger_says_who_he_is_first() -> None:
    async with connected(None) as world:
        world.say(type="authenticate", token="good")
        assert await world.hears() == {"type": "welcome", "user": "alice"}
        world.say(type="ping")
        assert await world.hears() == {"type": "pong"}


@pytest.mark.parametrize(
    "first", ['{"type": "authenticate", "token": "bad"}', '{"type": "ping"}', "{", '{"type": "subscribe", "id": 1}']
)
async def test_a_stranger_who_does_not_is_sent_away(first: str) -> None:
    async with connected(None) as world:
        world.to_server.put_nowait(first)
        assert await asyncio.wait_for(world.closed, 60) == 4401
        assert world.from_server.empty()


async def test_who_sends_what_is_no_message_hears_so_and_is_sent_away_at_last() -> None:
    async with connected() as world:
        for number in range(MOST_STRIKES):
            world.say(type="dance", id=number)
            assert (await world.hears())["id"] == number
        assert await asyncio.wait_for(world.closed, 60) == 1008


async def test_messages_that_come_too_fast_are_refused_until_time_has_passed() -> None:
    async with connected() as world:
        for _ in range(BURST):
            world.say(type="ping")
            assert (await world.hears())["type"] == "pong"
        world.say(type="ping")
        assert (await world.hears())["problem"]["code"] == "TooManyRequests"
        world.now += 1
        world.say(type="ping")
        assert (await world.hears())["type"] == "pong"


async def test_so_many_subscriptions_and_no_more() -> None:
    async with connected() as world:
        for number in range(MOST_SUBSCRIPTIONS + 1):
            world.say(type="subscribe", id=number)
            told = await world.hears()
        assert told["problem"]["code"] == "SubscriptionTaken"
        assert world.followed == MOST_SUBSCRIPTIONS


async def test_who_does_not_read_keeps_one_event_waiting_and_no_more() -> None:
    async with connected() as world:
        world.say(type="subscribe", id=1)
        await world.hears()
        world.reads.clear()
        for number in range(100):
            world.events.put_nowait(Event(number, "jobs.state", "{}"))
        world.now += 1
        for _ in range(1000):
            await asyncio.sleep(0)
        assert world.events.qsize() == 99
        world.reads.set()


@pytest.mark.parametrize("known", [None, ALICE])
@pytest.mark.parametrize("change", ["roles", "user", "gone"])
async def test_whose_rights_change_is_sent_away_with_the_next_thing_he_wants(change: str, known: Caller | None) -> None:
    async with connected(known) as world:
        if known is None:
            world.say(type="authenticate", token="good")
            await world.hears()
        world.say(type="subscribe", id=1)
        await world.hears()
        if change == "roles":
            world.alice = ALICE._replace(roles=("viewer",))
        if change == "gone":
            world.gone = True
        message = (
            {"type": "authenticate", "token": "bob's"} if change == "user" else {"type": "ask", "id": 2, "operation": "reload"}
        )
        world.say(**message)
        assert await asyncio.wait_for(world.closed, 60) == 4401
        assert world.from_server.empty(), "nothing was asked"

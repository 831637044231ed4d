"""Users follow topics over HTTP: the node is asked for each, and what comes are events of their own kinds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import pytest

from appliance.api_server.answering import Call
from appliance.api_server.caller import Caller
from appliance.api_server.topics import MOST_WAITING, TopicStreams, steps
from appliance.errors import HostError
from appliance.management.jobs.events import Beat, Event
from appliance.management.operations.table import BY_NAME
from tests.rigs.virtual_loop import played

ALICE = Caller("alice", ("viewer",), "token", "u1")
MESSAGE = {
    "event": "message",
    "topic": "news",
    "peer": "ada",
    "identity": "llp1:ada",
    "id": "00",
    "written": 5,
    "data": "aGk=",
    "text": "hi",
}


class Node:
    """Says one message, and then that it is over."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any], str]] = []

    async def follow(self, op: str, arguments: Mapping[str, Any], whose: Any) -> AsyncGenerator[Any, None]:
        self.asked.append((op, arguments, whose.name))
        yield {"event": "subscribed", "topics": arguments["topics"]}
        yield MESSAGE
        raise HostError("switched off")


async def still(_call: Call) -> bool:
    return True


async def test_a_user_reads_topics_as_events() -> None:
    node = Node()
    row = BY_NAME["topics.follow"]
    request: Any = None
    call = Call(row, ALICE, row.arguments.model_validate({"topics": ["news"]}), request, "r1")
    answer: Any = await TopicStreams(node.follow, still).handlers["topics.follow"](call)
    text = "".join([each async for each in answer.body_iterator])
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    assert [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")] == [
        *("subscribed", "message", "failed")
    ]
    assert events[1] == MESSAGE
    assert events[2]["message"] == "switched off"
    assert all(row.result.model_validate(event) for event in events)
    assert node.asked == [("subscribe", {"topics": ["news"]}, "alice")]


async def flood(number: int) -> AsyncGenerator[Any, None]:
    for each in range(number):
        yield {"event": "message", "id": str(each)}


async def test_a_reader_that_is_slow_holds_nothing_up_and_is_told_what_it_missed() -> None:
    async with aclosing(steps(flood(MOST_WAITING + 10))) as events:
        taken = [json.loads(event.text) async for event in events if isinstance(event, Event)]
    assert taken[0] == {"event": "missed", "number": 11}, "the end has its place too"
    assert [event["id"] for event in taken[1:]] == [str(number) for number in range(11, MOST_WAITING + 10)]
    assert BY_NAME["topics.follow"].result.model_validate(taken[0])


def test_a_topic_in_which_nothing_is_said_has_a_beat() -> None:
    async def silent() -> AsyncGenerator[Any, None]:
        yield {"event": "subscribed", "topics": ["news"]}
        await asyncio.get_running_loop().create_future()

    async def story() -> None:
        async with aclosing(steps(silent())) as events:
            assert isinstance(await anext(events), Event)
            assert await anext(events) == Beat(1)

    played(story())


@pytest.mark.parametrize(
    "body", [{"topic": "no spaces", "text": "a"}, {"topic": "news", "text": "x" * 8001}, {"topic": "news", "more": 1}]
)
def test_what_the_node_would_refuse_is_refused_at_once(body: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        BY_NAME["publish"].arguments.model_validate(body)

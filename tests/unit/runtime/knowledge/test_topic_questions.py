"""What callers of the control socket say and get about topics."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.control.conversation import Request
from appliance.control.feed import Missed
from appliance.runtime.knowledge import topic_questions
from appliance.runtime.knowledge.readers import MOST_WAITING, Message
from appliance.runtime.plugins.routes import BadArguments
from tests.rigs.square import Square

ADA = Principal("local", "ada", 1000)


def asked(**args: Any) -> Request:
    return Request(ADA, args)


@pytest.fixture
def square() -> Square:
    return Square("one", "two")


async def test_what_is_published_comes_as_text_and_as_bytes(square: Square) -> None:
    async with aclosing(topic_questions.subscribe(square["two"], asked(topics=["news"]))) as items:  # type: ignore[arg-type]
        assert await anext(items) == {"event": "subscribed", "topics": ["news"]}
        for data in ({"text": "grüße"}, {"data": base64.b64encode(b"\xff\x00").decode()}):
            told = await topic_questions.publish(square["one"], asked(topic="news", **data))  # type: ignore[arg-type]
            item = await anext(items)
            assert item["id"] == told["id"]
            assert (item["event"], item["topic"], item["peer"]) == ("message", "news", "one")
            assert base64.b64decode(item["data"]) == (b"\xff\x00" if item["text"] is None else "grüße".encode())
    assert await topic_questions.show(square["two"], asked()) == []  # type: ignore[arg-type]


async def test_what_is_missed_stands_in_its_place(square: Square) -> None:
    async with aclosing(topic_questions.subscribe(square["one"], asked(topics=["news"]))) as items:  # type: ignore[arg-type]
        await anext(items)
        for _ in range(MOST_WAITING + 3):
            square["one"].readers.put(Message("news", "two", "llp1:two", b"id", 0, b""))
        assert await anext(items) == Missed(3)


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"topic": "news"},
        {"topic": "news", "text": "a", "data": "YQ=="},
        {"topic": "news", "data": "no base64"},
        {"topic": "news", "text": "\ud800"},
        {"topic": "news", "text": 5},
        {"topic": "news", "text": "x" * 8001},
        {"topic": "no spaces", "text": "a"},
        {"topic": "x" * 65, "text": "a"},
        {"topic": ["news"], "text": "a"},
    ],
)
async def test_what_cannot_be_published_is_refused_with_the_reason(square: Square, args: Mapping[str, Any]) -> None:
    with pytest.raises(BadArguments):
        await topic_questions.publish(square["one"], asked(**args))  # type: ignore[arg-type]
    assert square["one"].published == 0


@pytest.mark.parametrize("topics", [None, [], "news", ["news", 5], ["no spaces"]])
async def test_what_cannot_be_read_is_refused(square: Square, topics: object) -> None:
    async with aclosing(topic_questions.subscribe(square["one"], asked(topics=topics))) as items:  # type: ignore[arg-type]
        with pytest.raises(BadArguments):
            await anext(items)

"""Readers of topics: bounded, and none at the cost of another."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from appliance.control.feed import Missed
from appliance.errors import HostError
from appliance.knowledge.pubsub.limits import AUTHOR_RATE
from appliance.knowledge.pubsub.node import PUBLISHES_SECONDS
from appliance.knowledge.pubsub.peers import MOST_TOPICS
from appliance.runtime.knowledge.readers import (
    FRESH,
    MOST_CALLERS,
    MOST_OF_A_READER,
    MOST_READERS,
    MOST_READERS_OF_A_CALLER,
    MOST_WAITING,
    MOST_WAITING_BYTES,
    TURNS,
    TURNS_OF_ALL,
    USED_SECONDS,
    Message,
    Readers,
    TopicsBusy,
)


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Hall:
    """Readers, and what they made of the node's subscriptions."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.said: list[tuple[str, bool]] = []
        self.readers = Readers(lambda topic, wanted: self.said.append((topic, wanted)), self.clock)

    def say(self, topic: str, data: bytes) -> None:
        self.readers.put(Message(topic, "peer", "llp1:peer", b"id", 0, data))


@pytest.fixture
def hall() -> Hall:
    return Hall()


async def test_a_topic_is_subscribed_to_while_somebody_reads_it(hall: Hall) -> None:
    with hall.readers.reading("ada", ["news", "news"]) as messages:
        with hall.readers.reading("bob", ["news", "weather"]):
            hall.say("news", b"1")
            assert hall.readers.topics() == {"news": 2, "weather": 1}
        assert (await anext(messages)).data == b"1"
        assert len(hall.readers) == 1
    assert hall.said == [("news", True), ("weather", True), ("weather", False), ("news", False)]


async def test_a_reader_that_never_reads_holds_little_and_is_told_what_it_missed(hall: Hall) -> None:
    with hall.readers.reading("ada", ["news"]) as slow:
        for number in range(2 * MOST_WAITING):
            hall.say("news", str(number).encode())
        assert await anext(slow) == Missed(MOST_WAITING)
        assert (await anext(slow)).data == str(MOST_WAITING).encode()
    with hall.readers.reading("ada", ["news"]) as slow:
        for _ in range(MOST_WAITING):
            hall.say("news", bytes(8000))
        assert await anext(slow) == Missed(MOST_WAITING - MOST_WAITING_BYTES // 8000)
    assert hall.readers.counters["missed"] == 2 * MOST_WAITING - MOST_WAITING_BYTES // 8000


def test_what_one_user_takes_is_not_what_another_lacks(hall: Hall) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_READERS_OF_A_CALLER):
            stack.enter_context(hall.readers.reading("ada", ["news"]))
        with pytest.raises(TopicsBusy, match="readers"):
            stack.enter_context(hall.readers.reading("ada", ["news"]))
        for number in range(MOST_READERS - MOST_READERS_OF_A_CALLER):
            stack.enter_context(hall.readers.reading(f"user {number}", ["news"]))
        with pytest.raises(TopicsBusy, match="readers"):
            stack.enter_context(hall.readers.reading("bob", ["news"]))
    assert len(hall.readers) == 0
    assert hall.readers.counters["readers-refused"] == 2


def test_topics_are_bounded_for_a_reader_and_in_all(hall: Hall) -> None:
    with pytest.raises(TopicsBusy, match="at most"), hall.readers.reading("ada", list(map(str, range(MOST_OF_A_READER + 1)))):
        pass
    with ExitStack() as stack:
        for number in range(MOST_TOPICS):
            stack.enter_context(hall.readers.reading(f"user {number // 20}", [str(number)]))
        with pytest.raises(TopicsBusy, match="already"):
            stack.enter_context(hall.readers.reading("bob", ["one more"]))
        stack.enter_context(hall.readers.reading("bob", ["7"]))
    assert hall.readers.topics() == {}


def test_a_user_has_its_turn_so_often(hall: Hall) -> None:
    for _ in range(int(TURNS.at_once)):
        hall.readers.publishes("ada", "news")
    with pytest.raises(TopicsBusy, match="a user: at most 40 messages"):
        hall.readers.publishes("ada", "news")
    hall.clock.now = 1.0
    for _ in range(int(TURNS.a_second)):
        hall.readers.publishes("ada", "news")
    with pytest.raises(TopicsBusy), hall.readers.reading("ada", ["news"]):
        pass
    for number in range(MOST_CALLERS):
        hall.clock.now += 1.0
        hall.readers.publishes(f"user {number}", "news")
    hall.readers.publishes("ada", "news")


def test_all_together_stay_below_what_others_take_of_one_author(hall: Hall) -> None:
    assert TURNS_OF_ALL.a_second < AUTHOR_RATE.a_second
    assert TURNS_OF_ALL.at_once < AUTHOR_RATE.at_once
    for number in range(int(TURNS_OF_ALL.at_once)):
        hall.readers.publishes(f"user {number % 10}", "news")
    with pytest.raises(TopicsBusy, match="together"):
        hall.readers.publishes("ada", "news")
    hall.clock.now = 1.0
    hall.readers.publishes("ada", "news")


def test_a_user_begins_with_few_topics_and_each_new_reader_of_one_counts(hall: Hall) -> None:
    assert USED_SECONDS == PUBLISHES_SECONDS
    for number in range(int(FRESH.at_once)):
        hall.readers.publishes("ada", str(number))
    hall.readers.publishes("ada", "7")
    with pytest.raises(TopicsBusy, match="2 further topics"):
        hall.readers.publishes("ada", "another")
    with pytest.raises(TopicsBusy, match="further topics"), hall.readers.reading("ada", ["7"]):
        pass
    with hall.readers.reading("bob", ["another"]):
        hall.readers.publishes("ada", "another")
    hall.clock.now = USED_SECONDS
    for number in range(int(FRESH.at_once)):
        hall.readers.publishes("ada", f"then {number}")
    with pytest.raises(TopicsBusy, match="further topics"):
        hall.readers.publishes("ada", "7")


async def test_at_the_end_each_reader_gets_the_reason_and_no_subscription_is_taken_back(hall: Hall) -> None:
    with hall.readers.reading("ada", ["news", "weather"]) as messages:
        hall.say("weather", b"rain")
        hall.readers.end(HostError("it is over"))
        assert (await anext(messages)).data == b"rain"
        with pytest.raises(HostError, match="it is over"):
            await anext(messages)
    assert hall.said == [("news", True), ("weather", True)]

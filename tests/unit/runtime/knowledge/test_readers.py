"""Readers of topics: bounded, and none at the cost of another."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from appliance.control.feed import Missed
from appliance.errors import HostError
from appliance.knowledge.pubsub.peers import MOST_TOPICS
from appliance.runtime.knowledge.readers import (
    BURST,
    BURST_OF_ALL,
    MOST_CALLERS,
    MOST_OF_A_READER,
    MOST_READERS,
    MOST_READERS_OF_A_CALLER,
    MOST_WAITING,
    MOST_WAITING_BYTES,
    RATE,
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
        for number in range(MOST_READERS_OF_A_CALLER):
            hall.clock.now = number / RATE
            stack.enter_context(hall.readers.reading("ada", ["news"]))
        with pytest.raises(TopicsBusy, match="readers"):
            stack.enter_context(hall.readers.reading("ada", ["news"]))
        hall.clock.now += 60.0
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


def test_a_user_has_its_turn_so_often_and_who_is_forgotten_is_one_that_was_long_silent(hall: Hall) -> None:
    for _ in range(int(BURST)):
        hall.readers.take_turn("ada")
    with pytest.raises(TopicsBusy, match="40 times a second"):
        hall.readers.take_turn("ada")
    hall.clock.now = 1.0
    for _ in range(int(RATE)):
        hall.readers.take_turn("ada")
    with pytest.raises(TopicsBusy):
        hall.readers.take_turn("ada")
    for number in range(MOST_CALLERS):
        hall.clock.now = 1.0 + number / RATE
        hall.readers.take_turn(f"user {number}")
    hall.readers.take_turn("ada")


def test_all_together_stay_below_what_others_take_of_one_author(hall: Hall) -> None:
    for number in range(int(BURST_OF_ALL)):
        hall.readers.take_turn(f"user {number % 10}")
    with pytest.raises(TopicsBusy, match="together"):
        hall.readers.take_turn("ada")
    assert hall.readers.counters == {"all-too-fast": 1}


async def test_at_the_end_each_reader_gets_the_reason_and_no_subscription_is_taken_back(hall: Hall) -> None:
    with hall.readers.reading("ada", ["news", "weather"]) as messages:
        hall.say("weather", b"rain")
        hall.readers.end(HostError("it is over"))
        assert (await anext(messages)).data == b"rain"
        with pytest.raises(HostError, match="it is over"):
            await anext(messages)
    assert hall.said == [("news", True), ("weather", True)]

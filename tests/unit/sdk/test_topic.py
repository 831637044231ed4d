"""Topics for programs: what one publishes all others read, also when nodes restart and readers are slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from rigs.village import Village, village

from appliance.errors import HostError
from appliance.knowledge.pubsub.message import MOST_DATA
from appliance.runtime.knowledge.readers import TURNS, Message, TopicsBusy
from appliance.sdk import DeadlineExceeded, NodeGone, SDKError
from appliance.sdk.topic import MOST_BYTES, MOST_UNREAD, TOO_MUCH, Topic


@pytest.fixture
async def two() -> AsyncIterator[Village]:
    async with village("ada", "bob") as made:
        yield made


async def until(condition) -> None:  # noqa: ANN001
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_four_lines_publish_and_read(two: Village) -> None:
    async with two["ada"].client() as ada, two["bob"].client() as bob, asyncio.timeout(60), bob.topic("news") as topic:
        ident = await ada.topic("news").publish(b"hello \xff")
        await ada.topic("weather").publish(b"rain")
        async for message in topic:
            assert (message.peer, message.data, message.topic) == ("ada", b"hello \xff", "news")
            assert (message.id, message.identity) == (ident, "llp1:ada")
            break


async def test_a_mesh_has_topics_of_its_own(two: Village) -> None:
    async with two["ada"].client() as ada, two["bob"].client() as bob, bob.mesh("chat").topic("news") as topic:
        await ada.topic("news").publish(b"not here")
        await ada.mesh("chat").topic("news").publish(b"here")
        async with asyncio.timeout(60):
            assert (await topic.receive()).topic == "chat/news"


async def test_who_is_not_subscribed_any_more_gets_what_came_and_the_end(two: Village) -> None:
    async with two["ada"].client() as ada, asyncio.timeout(60):
        topic = ada.topic("news")
        async with topic:
            await topic.publish(b"1")
            await topic.publish(b"2")
            assert (await topic.receive()).data == b"1"
            await until(lambda: two["ada"].corner.readers.counters["delivered"] == 2)
            await ada.health()  # what the node said before is here
        assert [message.data async for message in topic] == [b"2"]
        with pytest.raises(SDKError, match="not subscribed"):
            await topic.receive()
        async with topic:
            await topic.publish(b"3")
            assert (await topic.receive()).data == b"3"
    await until(lambda: not len(two["ada"].corner.readers))


async def test_a_wait_that_is_given_up_loses_nothing(two: Village) -> None:
    async with two["ada"].client() as ada, ada.topic("news") as topic, asyncio.timeout(60):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await topic.receive()
        await topic.publish(b"after all")
        assert (await topic.receive()).data == b"after all"


async def test_the_topic_is_subscribed_to_anew_when_the_node_was_away(two: Village) -> None:
    async with two["ada"].client() as ada, ada.topic("news") as topic, asyncio.timeout(60):
        await topic.publish(b"before")
        had = await topic.receive()
        last = Message("news", "ada", had.identity, bytes.fromhex(had.id), had.written, had.data)
        waiting = asyncio.create_task(topic.receive())
        await two["ada"].stop()
        await until(lambda: topic.interrupted)
        with pytest.raises(NodeGone):
            await topic.publish(b"lost")
        await two["ada"].start()
        await until(lambda: len(two["ada"].corner.readers))
        await topic.publish(b"again")
        assert (await waiting).data == b"again"
        two["ada"].corner.readers.put(last)
        await topic.publish(b"new")
        assert (await topic.receive()).data == b"new", "what the restarted node had anew from others was here already"
        assert topic.interrupted == 1


async def test_a_node_that_has_no_topics_any_more_ends_them(two: Village) -> None:
    async with two["ada"].client() as ada, ada.topic("news") as topic, asyncio.timeout(60):
        two["ada"].corner.readers.end(HostError("switched off"))
        for _ in range(2):
            with pytest.raises(SDKError, match="switched off"):
                async for _ in topic:
                    pass


async def test_a_program_that_does_not_read_misses_the_oldest_and_knows_how_many(two: Village) -> None:
    async with two["ada"].client() as ada, ada.topic("news") as topic, asyncio.timeout(60):
        corner = two["ada"].corner
        corner.readers.publishes = lambda _caller, _topic: None
        for number in range(3 * MOST_UNREAD):
            corner.publish("local 0", "news", str(number).encode())
            if number % 100 == 0:
                await asyncio.sleep(0)
        corner.publish("local 0", "news", b"last")
        heard = [await topic.receive()]
        while heard[-1].data != b"last":
            heard.append(await topic.receive())
        assert topic.missed > 0
        assert len(heard) + topic.missed == 3 * MOST_UNREAD + 1


async def test_publishing_too_fast_waits_until_the_deadline(two: Village) -> None:
    async with two["ada"].client() as ada, asyncio.timeout(60):
        topic = ada.topic("news")
        for _ in range(int(TURNS.at_once) + 3):
            await topic.publish(b"x", deadline=60)

        def never(_caller: str, _topic: str) -> None:
            raise TopicsBusy("too much")

        two["ada"].corner.readers.publishes = never
        with pytest.raises(DeadlineExceeded):
            await topic.publish(b"x", deadline=0.3)


async def test_what_is_too_long_or_no_topic_is_refused(two: Village) -> None:
    assert MOST_BYTES == MOST_DATA
    async with two["ada"].client() as ada, asyncio.timeout(60):
        with pytest.raises(ValueError, match="8000"):
            await ada.topic("news").publish(bytes(MOST_BYTES + 1))
        await ada.topic("news").publish(bytes(MOST_BYTES))
        with pytest.raises(SDKError, match="is no topic"):
            await ada.topic("no spaces").publish(b"")
        with pytest.raises(SDKError, match="is no topic"):
            await ada.topic("no spaces").subscribe()


async def test_many_topics_of_one_client_share_conversations_and_leave_questions_free(two: Village) -> None:
    async with two["ada"].client() as ada, asyncio.timeout(60):
        topics: list[Topic] = [ada.topic(str(number)) for number in range(40)]
        for topic in topics:
            await topic.subscribe()
        for topic in topics:
            await topic.publish(topic.name.encode(), deadline=30)
            assert (await topic.receive()).data == topic.name.encode()
        assert (await ada.health()).ok


def test_the_node_says_too_much_by_this_code() -> None:
    assert TopicsBusy("too much").code == TOO_MUCH

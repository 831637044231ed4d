"""A few nodes: subscribing, publishing, and what holds for whoever drives one."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.audience import Audience
from rigs.stage import MEMBERS, TOPIC, Stage

from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.message import MOST_DATA
from appliance.knowledge.pubsub.node import MOST_PUBLISHED, MOST_TOPICS, PubSub
from appliance.knowledge.pubsub.wire import Part


def audience(size: int = 3) -> Audience:
    found = Audience(size)
    found.acquaint()
    return found


def test_what_one_publishes_all_that_subscribe_get_once() -> None:
    nodes = audience(4)
    one, two, three, other = nodes
    for node in (one, two, three):
        node.subscribe("news")
    nodes.run(2.0)
    ident = one.publish("news", b"hello")
    nodes.run(2.0)
    for node in (one, two, three):
        assert [(each.topic, each.author, each.data, each.id) for each in node.got] == [("news", one.digest, b"hello", ident)]
    assert not other.got


def test_the_same_words_twice_are_two_messages() -> None:
    nodes = audience(2)
    one, two = nodes
    two.subscribe("news")
    nodes.run(1.0)
    assert one.publish("news", b"hello") != one.publish("news", b"hello")
    nodes.run(2.0)
    assert len(two.got) == 2


def test_a_message_published_before_the_next_heartbeat_is_not_lost() -> None:
    nodes = audience(3)
    for node in nodes:
        node.subscribe("news")
    nodes.nodes[0].publish("news", b"at once")
    nodes.run(3.0)
    assert [len(node.got) for node in nodes] == [1, 1, 1]


def test_one_that_does_not_subscribe_publishes_too_and_forgets_the_topic_later() -> None:
    nodes = audience(2)
    one, two = nodes
    one.publish("news", b"nobody is there yet")
    nodes.run(20.0)
    two.subscribe("news")
    nodes.run(3.0)
    assert [each.data for each in two.got] == [b"nobody is there yet"]
    assert not one.got
    nodes.run(120.0)
    assert "news" not in one.machine.topics()
    assert one.machine.next_due() == inf


def test_a_program_that_publishes_in_a_thousand_topics_does_not_make_its_host_a_flooder() -> None:
    nodes = audience(3)
    one, two, _ = nodes
    for number in range(1000):
        one.publish(f"topic-{number}", b"hello")
        nodes.run(0.01)
    nodes.run(30.0)
    assert len(one.machine.topics()) <= MOST_PUBLISHED
    assert not two.deeds
    assert two.machine.scores(nodes.now)[one.digest] >= 0


def test_who_unsubscribes_gets_nothing_more() -> None:
    nodes = audience(3)
    one, two, three = nodes
    for node in nodes:
        node.subscribe("news")
    nodes.run(2.0)
    three.unsubscribe("news")
    three.unsubscribe("news")
    nodes.run(1.0)
    one.publish("news", b"hello")
    nodes.run(2.0)
    assert (len(two.got), len(three.got)) == (1, 0)
    assert two.machine.topics()["news"] == {"subscribed": True, "peers": 1, "mesh": 1}
    assert three.machine.topics() == {}


def test_a_node_with_nothing_to_do_says_nothing_and_wants_nothing() -> None:
    nodes = audience(4)
    nodes.run(60.0)
    assert nodes.counters["sent"] == 0
    assert all(node.machine.next_due() == inf for node in nodes)


def test_a_quiet_topic_says_nothing_for_minutes() -> None:
    nodes = audience(12)
    for node in nodes:
        node.subscribe("news")
    nodes.run(30.0)
    before = nodes.counters["sent"]
    nodes.run(200.0)
    assert nodes.counters["sent"] - before <= 12 * 10


def test_what_cannot_be_is_said_at_once() -> None:
    (one,) = Audience(1)
    for topic in ("", "a b", "x" * 65):
        with pytest.raises(ValueError, match="a topic is"):
            one.subscribe(topic)
        with pytest.raises(ValueError, match="a topic is"):
            one.publish(topic, b"")
    with pytest.raises(ValueError, match=str(MOST_DATA)):
        one.publish("news", bytes(MOST_DATA + 1))
    for number in range(MOST_TOPICS):
        one.subscribe(f"topic-{number}")
        one.subscribe(f"topic-{number}")
    with pytest.raises(ValueError, match=str(MOST_TOPICS)):
        one.subscribe("one-more")


def test_it_is_a_machine_of_shared_knowledge_and_answers_no_question() -> None:
    (one,) = Audience(1)
    machine: PubSub = one.machine
    assert machine.answer(b"p" * 32, "what", b"", 0.0, 0.0) is None
    machine.answered(1, b"", 0.0, 0.0)
    assert machine.figures()["asked"] == 1
    assert not machine.asked


# ---- whatever comes ----


def parts(draw: Callable[[st.SearchStrategy[Any]], Any], stage: Stage) -> bytes:
    """A message with some parts that are good, some that are nearly, and some that are nothing."""
    ids = st.sampled_from([b"%d" % number * 20 for number in range(10)])
    topic = draw(st.sampled_from([TOPIC, "other", "third"]))
    value = draw(
        st.one_of(
            st.binary(max_size=60),
            st.just(wire.topic_field(topic)),
            st.integers(0, 3).map(lambda flags: bytes([flags]) + wire.topic_field(topic)),
            st.lists(ids, max_size=5).map(b"".join),
            st.lists(ids, max_size=5).map(lambda some: wire.have_value(topic, some)),
            st.integers(0, 9).map(lambda version: wire.topics_value(version, [topic])),
            st.sampled_from(MEMBERS[:9]).map(lambda member: wire.prune_value(topic, 7, [member])),
            st.sampled_from(MEMBERS[:9]).map(lambda author: stage.message(author, topic=topic).encoded),
            st.sampled_from(MEMBERS[:9]).map(lambda member: stage.hint(member, topic)),
        )
    )
    return wire.part(draw(st.sampled_from(Part)), value)


@given(st.data())
@settings(max_examples=60)
def test_whatever_comes_in_any_order_nothing_raises_and_each_message_is_delivered_once(data: st.DataObject) -> None:
    stage = Stage(3)
    draw = data.draw
    for _ in range(draw(st.integers(1, 25))):
        member = draw(st.sampled_from(MEMBERS[:6]))
        match draw(st.integers(0, 9)):
            case 0:
                stage.node.connected(member, stage.now)
            case 1:
                stage.node.gone(member, stage.now)
            case 2:
                stage.wait(draw(st.floats(0.0, 100.0)))
            case 3:
                stage.node.take(member, draw(st.sampled_from(["rpc", "", "what"])), draw(st.binary()), stage.now, stage.wall)
            case 4:
                assert stage.node.answer(member, "rpc", draw(st.binary()), stage.now, stage.wall) is None
                stage.node.answered(draw(st.integers()), draw(st.none() | st.binary()), stage.now, stage.wall)
            case 5:
                topic = draw(st.sampled_from([TOPIC, "other"]))
                (stage.node.subscribe if draw(st.booleans()) else stage.node.unsubscribe)(topic, stage.now)
            case 6:
                stage.node.publish(draw(st.sampled_from([TOPIC, "other"])), draw(st.binary()), stage.now, stage.wall)
            case _:
                body = b"".join(parts(draw, stage) for _ in range(draw(st.integers(1, 4))))
                stage.node.take(member, wire.KIND, body, stage.now, stage.wall)
        stage.act()
    ids = [each.id for each in stage.node.delivered]
    assert len(ids) == len(set(ids))
    stage.wait(400.0)
    assert not len(stage.node._flow._pulls)
    assert not len(stage.node._flow.cache)


def test_it_tells_for_which_topics_it_has_too_few_peers() -> None:
    stage = Stage(12)
    stage.node.publish("other", b"hello", stage.now, stage.wall)
    assert stage.node.lacking(stage.now) == {"other": False}
    stage.node.subscribe("other", stage.now)
    assert stage.node.lacking(stage.now) == {"other": True}

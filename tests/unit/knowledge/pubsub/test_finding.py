"""Sessions with others of a topic: who is called, who is let go, and how one hears of whom."""

from __future__ import annotations

import pytest
from rigs.audience import Audience
from rigs.stage import MEMBERS, TOPIC, Stage, seek

from appliance.knowledge.pubsub import finding as module
from appliance.knowledge.pubsub.finding import (
    CALL_SECONDS,
    FAILED_SECONDS,
    FEW_PEERS,
    MOST_CALLED,
    PROVE_SECONDS,
    SPREAD_AT_ONCE,
)
from appliance.knowledge.pubsub.hints import MOST_OF_TOPIC
from appliance.knowledge.pubsub.mesh import D
from appliance.knowledge.pubsub.scoring import GRAYLIST
from appliance.knowledge.pubsub.wire import Part
from appliance.members.effects import Hold, Release

ONE, TWO = MEMBERS[:2]
FAR = MEMBERS[20]


def wishes(stage: Stage) -> list[Hold | Release]:
    found, stage.node.wishes = stage.node.wishes, []
    return found


def test_who_subscribes_says_so_and_asks_who_else_does() -> None:
    stage = Stage(2)
    stage.wait(0.1)
    said = [(to, kind) for to, kind, _ in stage.heard]
    for member in (ONE, TWO):
        for kind in (Part.JOIN, Part.HINT, Part.SEEK):
            assert (member, kind) in said


def test_while_some_are_lacking_it_asks_more_and_more_seldom() -> None:
    stage = Stage(2)
    stage.wait(1000.0)
    assert 2 * 7 < len(stage.who_heard(Part.SEEK)) < 2 * 16


def test_a_hint_is_passed_on_once_and_its_member_is_called() -> None:
    stage = Stage(3)
    wishes(stage)
    stage.heard.clear()
    hint = stage.hint(FAR)
    stage.say(ONE, Part.HINT, hint)
    stage.say(TWO, Part.HINT, hint)
    assert sorted(stage.who_heard(Part.HINT)) == sorted([TWO, MEMBERS[2]])
    assert Hold(FAR) in wishes(stage)


def test_hints_of_topics_that_it_does_not_have_are_passed_on_and_nobody_is_called() -> None:
    stage = Stage(2, subscribed=False)
    stage.say(ONE, Part.HINT, stage.hint(FAR, "other"))
    assert stage.who_heard(Part.HINT) == [TWO]
    assert not wishes(stage)


def test_who_seeks_is_told_of_eight_at_most_and_not_of_itself() -> None:
    stage = Stage(2)
    for member in [TWO, *MEMBERS[20:39]]:
        stage.say(ONE, Part.HINT, stage.hint(member))
    stage.heard.clear()
    stage.say(TWO, Part.SEEK, seek())
    assert len(stage.told(Part.HINT, TWO)) == MOST_OF_TOPIC - 1


def test_forged_hints_count_and_are_not_passed_on() -> None:
    stage = Stage(2)
    stage.heard.clear()
    for _ in range(6):
        stage.say(ONE, Part.HINT, stage.hint(FAR)[:-1] + b"\0")
    assert not stage.who_heard(Part.HINT)
    assert stage.count("hint-refused-forged") > 2
    assert stage.score(ONE) < GRAYLIST


def test_few_are_called_at_a_time_and_those_that_do_not_come_make_room() -> None:
    stage = Stage(0)
    stage.node.candidates(TOPIC, MEMBERS, stage.now)
    stage.wait(1.0)
    first = [wish.member for wish in wishes(stage)]
    assert len(first) == MOST_CALLED
    stage.wait(CALL_SECONDS + 11.0)
    later = wishes(stage)
    assert {Release(member) for member in first} <= set(later)
    called = [wish.member for wish in later if isinstance(wish, Hold)]
    assert called
    assert not set(called) & set(first)


def test_one_that_came_and_does_not_subscribe_is_let_go_and_not_called_for_a_while() -> None:
    stage = Stage(0)
    stage.node.candidates(TOPIC, [FAR], stage.now)
    stage.wait(1.0)
    assert wishes(stage) == [Hold(FAR)]
    stage.connect(FAR, subscribes=False)
    stage.heard.clear()
    stage.wait(PROVE_SECONDS + 11.0)
    assert 3 <= len(stage.told(Part.TELL, FAR)) <= 6, "what it said may have been lost"
    assert wishes(stage) == [Release(FAR)]
    stage.node.gone(FAR, stage.now)
    stage.node.candidates(TOPIC, [FAR], stage.now)
    stage.wait(FAILED_SECONDS / 2)
    assert not wishes(stage)
    stage.wait(FAILED_SECONDS)
    assert Hold(FAR) in wishes(stage)


def test_the_mesh_is_held_and_let_go_when_the_topic_is() -> None:
    stage = Stage(D)
    for member in MEMBERS[:D]:
        stage.graft(member, answer=True)
    stage.wait(2.0)
    assert set(wishes(stage)) == {Hold(member) for member in MEMBERS[:D]}
    stage.node.unsubscribe(TOPIC, stage.now)
    stage.wait(CALL_SECONDS + 20.0)
    assert set(wishes(stage)) == {Release(member) for member in MEMBERS[:D]}


def test_a_node_that_hears_a_hint_before_anybody_is_there_says_it_to_who_comes() -> None:
    stage = Stage(0)
    stage.wait(1.0)
    stage.connect(ONE)
    assert [kind for to, kind, _ in stage.heard if to == ONE and kind in {Part.HINT, Part.SEEK}] == [Part.HINT, Part.SEEK]


def test_two_that_are_far_from_each_other_find_their_topic() -> None:
    nodes = Audience(60, seed=3)
    nodes.acquaint()
    one, other = nodes.nodes[0], nodes.nodes[59]
    assert frozenset((one.digest, other.digest)) not in nodes.sessions
    one.subscribe("rare")
    nodes.run(10.0)
    other.subscribe("rare")
    nodes.run(10.0)
    one.publish("rare", b"hello")
    nodes.run(2.0)
    assert [each.data for each in other.got] == [b"hello"]
    assert other.machine.topics()["rare"]["mesh"] == 1
    publisher = nodes.nodes[30]
    publisher.publish("rare", b"from outside")
    nodes.run(10.0)
    assert [each.data for each in other.got] == [b"hello", b"from outside"]


def test_a_subscriber_is_found_again_after_all_that_knew_it_were_told_otherwise() -> None:
    nodes = Audience(30, seed=3)
    nodes.acquaint()
    one, other = nodes.nodes[0], nodes.nodes[29]
    one.subscribe("rare")
    nodes.run(5.0)
    one.unsubscribe("rare")
    nodes.run(60.0)
    other.subscribe("rare")
    nodes.run(30.0)
    assert other.machine.topics()["rare"] == {"subscribed": True, "peers": 0, "mesh": 0}
    one.subscribe("rare")
    nodes.run(300.0)
    other.publish("rare", b"hello")
    nodes.run(3.0)
    assert [each.data for each in one.got] == [b"hello"]


def test_hints_are_passed_on_no_faster_than_peers_take_them_and_all_of_them_in_the_end() -> None:
    stage = Stage(2, subscribed=False)
    for number in range(4):
        for topic in range(100):
            stage.say(ONE, Part.HINT, stage.hint(MEMBERS[20 + number], f"topic-{number}-{topic}"))
    assert len(stage.told(Part.HINT, TWO)) == SPREAD_AT_ONCE
    stage.wait(10.0)
    assert len(stage.told(Part.HINT, TWO)) == 400 - SPREAD_AT_ONCE


def test_a_peer_that_missed_that_we_left_a_topic_is_told() -> None:
    stage = Stage(1)
    stage.node.unsubscribe(TOPIC, stage.now)
    stage.act()
    stage.heard.clear()
    for _ in range(20):
        stage.say(ONE, Part.MESSAGE, stage.message().encoded)
    assert 0 < len(stage.told(Part.TOPICS, ONE)) < 20


def test_a_node_with_many_topics_holds_fewer_sessions_for_each() -> None:
    nodes = Audience(60, seed=2)
    nodes.acquaint()
    one, *others = nodes
    for number in range(54):
        topic = f"topic-{number // 9}"
        others[number].subscribe(topic)
        one.subscribe(topic)
    nodes.run(30.0)
    assert len(one.held) <= 6 * (FEW_PEERS + 1)
    assert min(each["mesh"] for each in one.machine.topics().values()) >= FEW_PEERS - 1
    before, held = nodes.counters["sent"], set(one.held)
    nodes.run(300.0)
    assert one.held == held, "and keeps those"
    assert nodes.counters["sent"] - before <= 60 * 20


def test_hints_that_wait_to_be_passed_on_are_as_many_as_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HINTS", 5)
    stage = Stage(2)
    for number in range(int(SPREAD_AT_ONCE) + 100):
        stage.say(ONE, Part.HINT, stage.hint(MEMBERS[20 + number % 10], f"topic-{number}"))
    assert len(stage.node._finding._spreading) == 5

"""What a node and its peers tell each other of their topics, and who makes it a burden."""

from __future__ import annotations

from rigs.stage import MEMBERS, Stage

from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.wire import Part


def test_whoever_asks_for_all_subscriptions_again_and_again_gets_little_for_it() -> None:
    stage = Stage(2)
    stage.wait(60.0)
    stage.heard.clear()
    for _ in range(20):
        stage.node.take(MEMBERS[0], wire.KIND, wire.part(Part.TELL) * wire.MOST_PARTS, stage.now, stage.wall)
    stage.act()
    assert 2 < len(stage.told(Part.TOPICS, MEMBERS[0])) < 50


def test_of_many_changes_whose_first_was_lost_one_is_asked_for_all() -> None:
    stage = Stage(1)
    stage.heard.clear()
    for version in range(10, 100):
        stage.say(MEMBERS[0], Part.JOIN, wire.topics_value(version, [f"topic-{version}"]))
    assert stage.who_heard(Part.TELL) == [MEMBERS[0]], "ninety would have it take us for a flooder"
    stage.wait(1.0)
    stage.say(MEMBERS[0], Part.VERSION, wire.topics_value(99, []))
    assert stage.who_heard(Part.TELL) == [MEMBERS[0]]

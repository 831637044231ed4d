"""Coming into meshes and leaving them."""

from __future__ import annotations

from rigs.stage import MEMBERS, TOPIC, Stage

from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.mesh import D_HIGH, D_LOW, EAGER, D
from appliance.knowledge.pubsub.meshes import ANSWER_SECONDS, BACKOFF_SECONDS, MOST_TOLD, MOST_TRIES, SLACK_SECONDS
from appliance.knowledge.pubsub.wire import Part

ONE = MEMBERS[0]


def answered(peers: int) -> Stage:
    """A mesh whose members all said yes."""
    stage = Stage(peers)
    for member in list(stage.mesh):
        stage.graft(member, answer=True)
    stage.heard.clear()
    return stage


def test_who_subscribes_asks_six_at_once_and_two_of_them_for_whole_messages() -> None:
    stage = Stage(10)
    assert len(stage.mesh) == D
    grafts = [wire.read_graft(value) for value in stage.told(Part.GRAFT)]
    assert [lazy for _, lazy, _ in grafts].count(False) == EAGER
    assert len(grafts) == D


def test_who_comes_later_is_asked_at_once_while_some_are_lacking() -> None:
    stage = Stage(1)
    stage.connect(MEMBERS[1])
    stage.connect(MEMBERS[2], subscribes=False)
    assert stage.mesh == {ONE, MEMBERS[1]}
    stage.say(MEMBERS[2], Part.JOIN, wire.topics_value(1, [TOPIC]))
    assert MEMBERS[2] in stage.mesh


def test_a_graft_is_answered_and_asked_again_until_it_is() -> None:
    stage = Stage(1)
    stage.told(Part.GRAFT)
    stage.wait(ANSWER_SECONDS + 2.0)
    assert stage.who_heard(Part.GRAFT) == [ONE]
    stage.wait(MOST_TRIES * (ANSWER_SECONDS + 2.0))
    assert not stage.mesh, "it never answered"

    stage = answered(1)
    stage.wait(30.0)
    assert not stage.who_heard(Part.GRAFT)
    stage.graft(ONE)
    assert wire.read_graft(stage.told(Part.GRAFT, ONE)[0]) == (TOPIC, False, True)


def test_an_answer_to_what_was_not_asked_is_no_graft() -> None:
    stage = Stage(0)
    stage.connect(ONE)
    stage.prune(ONE)
    stage.graft(ONE, answer=True)
    assert not stage.mesh


def test_whoever_is_pruned_is_not_asked_before_its_time() -> None:
    stage = answered(1)
    stage.prune(ONE, 20)
    stage.wait(19.0)
    assert not stage.who_heard(Part.GRAFT)
    stage.wait(SLACK_SECONDS + 11.0)
    assert stage.who_heard(Part.GRAFT) == [ONE]


def test_whoever_comes_back_too_early_is_sent_away_for_longer_and_it_counts() -> None:
    stage = answered(1)
    stage.prune(ONE)
    for _ in range(5):
        stage.graft(ONE)
    assert not stage.mesh
    assert stage.count("graft-in-backoff") == 5
    assert stage.score(ONE) < 0
    assert [wire.read_prune(value)[1] for value in stage.told(Part.PRUNE, ONE)] == [BACKOFF_SECONDS] * 5


def test_a_full_mesh_names_others_to_whom_it_refuses() -> None:
    stage = answered(D_HIGH + 3)
    outside = [member for member in MEMBERS[: D_HIGH + 3] if member not in stage.mesh]
    for member in outside:
        stage.graft(member)
    assert len(stage.mesh) == D_HIGH
    (refusal,) = stage.told(Part.PRUNE, outside[-1])
    topic, seconds, others = wire.read_prune(refusal)
    assert (topic, seconds) == (TOPIC, BACKOFF_SECONDS)
    assert D_HIGH <= len(others) <= MOST_TOLD
    assert outside[-1] not in others


def test_members_that_a_prune_names_are_called_and_strangers_are_not() -> None:
    stage = answered(1)
    stage.prune(ONE, 60, (MEMBERS[5], b"s" * 32))
    assert [wish.member for wish in stage.node.wishes if wish.member != ONE] == [MEMBERS[5]]


def test_whoever_does_harm_is_pruned_by_the_next_heartbeat_and_another_comes_in() -> None:
    stage = answered(D + 1)
    (spare,) = set(MEMBERS[: D + 1]) - stage.mesh
    bad = sorted(stage.mesh)[:3]
    for member in bad:
        stage.say(member, Part.MESSAGE, stage.message().encoded[:-1] + b"\0")
    stage.wait(1.5)
    assert not stage.mesh & set(bad)
    assert spare in stage.mesh
    stage.graft(bad[0])
    assert bad[0] not in stage.mesh


def test_a_mesh_that_grew_too_large_is_cut_down() -> None:
    stage = answered(D_HIGH + 8)
    topic = stage.node._ground.topics[TOPIC]
    for member in MEMBERS[: D_HIGH + 8]:
        if member not in topic.links:
            stage.node._meshes._ask(topic, member, stage.now)
    stage.wait(1.5)
    assert len(stage.mesh) == D


def test_where_most_brought_little_better_ones_come_in() -> None:
    stage = answered(D + 2)
    better = sorted(set(MEMBERS[: D + 2]) - stage.mesh)
    for _ in range(40):
        stage.say(better[0], Part.MESSAGE, stage.message().encoded)
    stage.wait(70.0)
    assert better[0] in stage.mesh
    assert better[1] not in stage.mesh


def test_a_peer_that_goes_is_replaced_at_once() -> None:
    stage = answered(D_LOW + 3)
    for member in sorted(stage.mesh)[:2]:
        stage.node.gone(member, stage.now)
    assert len(stage.mesh) == D


def test_whoever_leaves_the_topic_leaves_the_mesh_and_all_are_told_when_we_do() -> None:
    stage = answered(3)
    stage.say(ONE, Part.LEAVE, wire.topics_value(2, [TOPIC]))
    assert stage.mesh == {MEMBERS[1], MEMBERS[2]}
    stage.node.unsubscribe(TOPIC, stage.now)
    stage.act()
    assert set(stage.who_heard(Part.PRUNE)) == {MEMBERS[1], MEMBERS[2]}


def test_who_subscribes_again_at_once_waits_as_it_told_the_others_to() -> None:
    stage = answered(2)
    stage.node.unsubscribe(TOPIC, stage.now)
    stage.node.subscribe(TOPIC, stage.now)
    stage.act()
    assert not stage.mesh
    stage.wait(25.0)
    assert stage.mesh == {ONE, MEMBERS[1]}


def test_grafts_of_topics_that_we_do_not_have_are_not_answered() -> None:
    stage = Stage(1)
    stage.heard.clear()
    stage.graft(ONE, topic="other")
    assert not stage.heard


def test_whoever_is_not_in_the_mesh_does_not_say_whom_we_call() -> None:
    stage = answered(1)
    stage.prune(ONE, 60)
    stage.node.wishes.clear()
    stage.prune(ONE, 60, (MEMBERS[5],))
    stage.wait(5.0)
    assert MEMBERS[5] not in [wish.member for wish in stage.node.wishes]

"""Messages on their way, and who tries to misuse it."""

from __future__ import annotations

from typing import Any

import pytest
from rigs.stage import MEMBERS, TOPIC, Stage, meshed

from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.caches import MOST_GIVEN
from appliance.knowledge.pubsub.flow import TELL_SECONDS
from appliance.knowledge.pubsub.message import MESSAGE_SECONDS, MOST_DATA, Delivered, Verdict, id_of, sign_message
from appliance.knowledge.pubsub.scoring import GRAYLIST
from appliance.knowledge.pubsub.wire import Part

ONE, TWO, THREE = MEMBERS[:3]


def test_a_message_goes_whole_to_who_wants_it_and_its_id_to_the_others_but_not_back() -> None:
    stage = meshed(eager_out=2)
    message = stage.message()
    stage.say(ONE, Part.MESSAGE, message.encoded)
    assert stage.node.delivered == [message.delivered]
    assert {(to, kind) for to, kind, _ in stage.heard} == {(TWO, Part.MESSAGE), (THREE, Part.HAVE)}
    assert len(stage.heard) == 2


def test_ids_of_many_that_come_at_once_are_told_together() -> None:
    stage = meshed()
    stage.wait(1.5)
    stage.heard.clear()
    sent = [stage.message() for _ in range(9)]
    for message in sent:
        stage.say(ONE, Part.MESSAGE, message.encoded)
    stage.have(THREE, sent[3].delivered.id)
    assert stage.told(Part.HAVE, TWO) == [wire.have_value(TOPIC, [sent[0].delivered.id])]
    stage.wait(TELL_SECONDS + 0.01)
    (told,) = [value for to, kind, value in stage.heard if to == THREE and kind is Part.HAVE]
    assert wire.read_have(told) == (TOPIC, [each.delivered.id for number, each in enumerate(sent) if number not in {0, 3}])
    assert len(stage.told(Part.HAVE, TWO)) == 1


def test_whoever_has_it_is_told_nothing() -> None:
    stage = meshed(eager_out=3)
    message = stage.message()
    stage.have(TWO, message.delivered.id)
    stage.say(ONE, Part.MESSAGE, message.encoded)
    assert stage.who_heard(Part.MESSAGE) == [THREE]


def test_a_second_copy_is_delivered_to_nobody_and_makes_the_link_lazy() -> None:
    stage = meshed(peers=4)
    eager = stage.node._ground.topics[TOPIC].eager
    for member in MEMBERS[:4]:
        stage.node._ground.topics[TOPIC].links[member].eager_in = True
    message = stage.message()
    for member in MEMBERS[:4]:
        stage.say(member, Part.MESSAGE, message.encoded)
    assert len(stage.node.delivered) == 1
    assert stage.who_heard(Part.LAZY) == [TWO, THREE]
    assert len(eager) == len(stage.node._ground.topics[TOPIC].eager) == 2


def test_what_a_peer_wants_it_gets_a_few_times_and_in_bounds() -> None:
    stage = meshed()
    encoded = [stage.message(data=bytes(MOST_DATA)).encoded for _ in range(200)]
    for each in encoded:
        stage.say(ONE, Part.MESSAGE, each)
    stage.heard.clear()
    for _ in range(MOST_GIVEN + 2):
        stage.say(TWO, Part.WANT, id_of(encoded[0]))
    assert len(stage.told(Part.MESSAGE, TWO)) == MOST_GIVEN
    stage.say(TWO, Part.WANT, b"".join(map(id_of, encoded)))
    assert 100 < len(stage.told(Part.MESSAGE, TWO)) < 150
    assert stage.count("too-many-bytes") > 0
    stage.say(TWO, Part.WANT, b"?" * 20)
    assert stage.count("not-there") == 1


# ---- what is no good ----


def broken(stage: Stage, how: str) -> bytes:
    good = stage.message().encoded
    sign: Any = lambda said: bytes(64)  # noqa: E731
    foreign = sign_message(TOPIC, b"", ONE, b"f" * 32, 1, stage.wall, sign).encoded
    return {
        "malformed": good[:-1],
        "too-long": good + bytes(9000),
        "forged": good[:-1] + bytes([good[-1] ^ 1]),
        "foreign-network": foreign,
    }[how]


@pytest.mark.parametrize("how", ["malformed", "too-long", "forged", "foreign-network"])
def test_what_no_honest_node_sends_is_counted_by_reason_and_three_are_too_many(how: str) -> None:
    stage = meshed()
    for _ in range(3):
        stage.say(ONE, Part.MESSAGE, broken(stage, how))
    assert stage.count(f"refused-{how}") == 3
    assert [deed.what for deed in stage.node.deeds if deed.member == ONE] == ["invalid-message"] * 3
    assert stage.score(ONE) < GRAYLIST
    stage.say(ONE, Part.MESSAGE, stage.message().encoded)
    assert stage.count("graylisted") == 1
    assert not stage.node.delivered


def test_a_forged_copy_does_not_stand_in_the_way_of_the_good_one() -> None:
    stage = meshed()
    message = stage.message()
    stage.say(ONE, Part.MESSAGE, message.encoded[:-1] + b"\0")
    stage.say(TWO, Part.MESSAGE, message.encoded)
    assert stage.node.delivered == [message.delivered]


@pytest.mark.parametrize("why", ["expired", "future", "unknown-member", "not-subscribed", "sent-twice"])
def test_what_an_honest_node_may_send_once_is_a_fault_only_in_masses(why: str) -> None:
    stage = meshed()
    stranger = b"s" * 32
    message = {
        "expired": lambda: stage.message(ago=MESSAGE_SECONDS + 1.0),
        "future": lambda: stage.message(ago=-9999.0),
        "unknown-member": lambda: sign_message(
            TOPIC, b"", stranger, stage.node._ground.network, 1, stage.wall, lambda said: bytes(64)
        ),
        "not-subscribed": lambda: stage.message(topic="other"),
        "sent-twice": stage.message,
    }[why]()
    for _ in range(10):
        stage.say(ONE, Part.MESSAGE, message.encoded)
    assert stage.score(ONE) >= 0
    for _ in range(200):
        stage.say(ONE, Part.MESSAGE, message.encoded)
    assert stage.score(ONE) < GRAYLIST
    assert stage.count(why) + stage.count(f"refused-{why}") > 50
    assert len(stage.node.delivered) == (why == "sent-twice")


def test_a_message_sent_again_much_later_is_not_delivered_again() -> None:
    stage = meshed()
    message = stage.message()
    stage.say(ONE, Part.MESSAGE, message.encoded)
    for _ in range(7):
        stage.wait(60.0)
        stage.say(TWO, Part.MESSAGE, message.encoded)
    assert len(stage.node.delivered) == 1


def test_an_author_that_floods_is_dropped_and_nobody_else_is_blamed() -> None:
    stage = meshed()
    for _ in range(500):
        stage.say(ONE, Part.MESSAGE, stage.message().encoded)
    assert len(stage.node.delivered) == 400
    assert stage.count("author-too-often") == 100
    assert stage.score(ONE) >= 0


# ---- what a topic takes ----


@pytest.mark.parametrize(("verdict", "blamed"), [(Verdict.REJECT, True), (Verdict.IGNORE, False)])
def test_a_topic_may_refuse_messages(verdict: Verdict, blamed: bool) -> None:
    stage = meshed(eager_out=3)
    seen: list[Delivered] = []
    stage.node.validate[TOPIC] = lambda delivered: (seen.append(delivered), verdict)[1]
    message = stage.message()
    for member in (ONE, TWO):
        stage.say(member, Part.MESSAGE, message.encoded)
    assert seen == [message.delivered], "it is asked once"
    assert not stage.node.delivered
    assert not stage.who_heard(Part.MESSAGE)
    assert (stage.score(ONE) < 0) is blamed


def test_a_judgement_that_fails_ends_nothing_but_the_message() -> None:
    stage = meshed()
    stage.node.validate[TOPIC] = lambda delivered: Verdict[delivered.data.decode()]
    stage.say(ONE, Part.MESSAGE, stage.message(data=b"NONE").encoded)
    stage.say(ONE, Part.MESSAGE, stage.message(data=b"ACCEPT").encoded)
    assert [each.data for each in stage.node.delivered] == [b"ACCEPT"]
    assert stage.count("judgement-failed") == 1


# ---- gossip ----


def test_peers_outside_the_mesh_hear_of_messages_by_the_next_heartbeat() -> None:
    stage = meshed(peers=9)
    outside = set(MEMBERS[:9]) - stage.mesh
    stage.say(ONE, Part.MESSAGE, stage.message().encoded)
    stage.heard.clear()
    stage.wait(1.5)
    assert outside <= set(stage.who_heard(Part.HAVE))


def test_what_was_sent_whole_is_told_once_more_in_case_it_was_lost() -> None:
    stage = meshed(eager_out=2)
    message = stage.message()
    stage.say(ONE, Part.MESSAGE, message.encoded)
    stage.heard.clear()
    stage.wait(1.5)
    assert stage.told(Part.HAVE, TWO) == [wire.have_value(TOPIC, [message.delivered.id])]
    stage.wait(30.0)
    assert not stage.told(Part.HAVE, TWO)


def test_where_only_two_are_in_a_mesh_it_is_told_some_more_times() -> None:
    stage = meshed(eager_out=2, peers=2)
    stage.say(ONE, Part.MESSAGE, stage.message().encoded)
    stage.heard.clear()
    stage.wait(30.0)
    assert 2 <= len(stage.told(Part.HAVE, TWO)) <= 5


def test_whoever_comes_into_the_mesh_hears_what_came_just_before() -> None:
    stage = meshed()
    message = stage.message()
    stage.say(ONE, Part.MESSAGE, message.encoded)
    stage.connect(MEMBERS[9])
    stage.heard.clear()
    stage.graft(MEMBERS[9], answer=True)
    assert stage.told(Part.HAVE, MEMBERS[9]) == [wire.have_value(TOPIC, [message.delivered.id])]


def test_a_peer_that_comes_and_goes_is_told_once_what_it_may_have_missed() -> None:
    stage = Stage(subscribed=False)
    stage.node.publish(TOPIC, b"hello", stage.now, stage.wall)
    stage.connect(ONE)
    for version in range(2, 40, 2):
        stage.say(ONE, Part.LEAVE, wire.topics_value(version, [TOPIC]))
        stage.say(ONE, Part.JOIN, wire.topics_value(version + 1, [TOPIC]))
    assert len(stage.told(Part.HAVE, ONE)) == 1


def test_a_member_of_the_mesh_that_answers_again_and_again_is_told_once() -> None:
    stage = meshed(peers=4)
    stage.wait(10.0)
    message = stage.message()
    stage.say(TWO, Part.MESSAGE, message.encoded)
    stage.node._flow.cache.get(message.delivered.id).given.clear()
    stage.heard.clear()
    for _ in range(20):
        stage.graft(ONE, answer=True)
    assert len(stage.told(Part.HAVE, ONE)) <= 2


def test_who_asks_for_more_than_there_is_room_for_is_not_to_blame() -> None:
    stage = meshed(peers=2)
    idents = []
    for number in range(300):
        stage.now += 0.05
        message = stage.message(MEMBERS[number % 8 + 20], bytes(MOST_DATA))
        stage.say(TWO, Part.MESSAGE, message.encoded)
        idents.append(message.delivered.id)
    for ident in idents:
        stage.say(ONE, Part.WANT, ident)
    assert stage.count("too-many-bytes") > 10
    assert stage.score(ONE) >= 0

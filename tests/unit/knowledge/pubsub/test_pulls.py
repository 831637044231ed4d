"""Messages that others say they have, and who lies about it."""

from __future__ import annotations

import pytest
from rigs.stage import MEMBERS, TOPIC, meshed

from appliance.knowledge.pubsub import pulls as module
from appliance.knowledge.pubsub.pulls import MOST_GIVERS, PROMISE_SECONDS, PULL_SECONDS
from appliance.knowledge.pubsub.wire import Part

ONE, TWO = MEMBERS[:2]


def test_what_was_told_and_does_not_come_is_asked_for_and_then_comes_that_way() -> None:
    stage = meshed(peers=4)
    topic = stage.node._ground.topics[TOPIC]
    lazy = next(member for member in MEMBERS[:4] if member not in topic.eager)
    message = stage.message()
    stage.have(lazy, message.delivered.id)
    stage.wait(PULL_SECONDS - 0.01)
    assert not stage.who_heard(Part.WANT)
    stage.wait(0.02)
    assert [kind for to, kind, _ in stage.heard if to == lazy] == [Part.WANT, Part.EAGER]
    stage.say(lazy, Part.MESSAGE, message.encoded)
    assert stage.node.delivered == [message.delivered]
    assert lazy in topic.eager
    stage.wait(PROMISE_SECONDS + 1.0)
    assert stage.count("broken-promise") == 0


def test_a_promise_that_is_not_kept_counts_and_the_next_is_asked() -> None:
    stage = meshed(peers=6)
    for number in range(5):
        for member in (ONE, TWO):
            stage.have(member, b"%d" % number * 20)
    stage.wait(PULL_SECONDS + 0.01)
    assert stage.who_heard(Part.WANT) == [ONE] * 5
    stage.wait(PROMISE_SECONDS / 2)
    assert stage.who_heard(Part.WANT) == [ONE] * 5, "it may not have heard"
    stage.wait(PROMISE_SECONDS / 2)
    assert set(stage.who_heard(Part.WANT)) == {ONE, TWO}
    assert stage.count("broken-promise") == 5
    assert stage.score(ONE) < 0
    stage.wait(PROMISE_SECONDS)
    assert not len(stage.node._flow._pulls)


def test_a_liar_is_not_believed_and_cannot_take_the_room_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PULLED_OF_PEER", 3)
    stage = meshed()
    stage.have(ONE, *(b"%02d" % number * 10 for number in range(9)))
    stage.have(TWO, b"good" * 5)
    assert stage.count("not-pulled") == 6
    stage.wait(PULL_SECONDS + PROMISE_SECONDS + 1.0)
    monkeypatch.setattr(module, "MOST_PULLED_OF_PEER", 300)
    stage.have(ONE, *(b"%02d" % number * 10 for number in range(20, 40)))
    stage.wait(PULL_SECONDS + PROMISE_SECONDS + 1.0)
    stage.heard.clear()
    stage.have(ONE, b"more" * 5)
    stage.wait(1.0)
    assert stage.count("not-believed") == 1
    assert not stage.who_heard(Part.WANT)


def test_few_are_remembered_to_have_a_message() -> None:
    stage = meshed(peers=8)
    for member in MEMBERS[:8]:
        stage.have(member, b"x" * 20)
    (pull,) = stage.node._flow._pulls._pulls.values()
    assert len(pull.givers) == MOST_GIVERS
    assert pull.holders == set(MEMBERS[:8])


def test_promises_that_a_peer_broke_before_it_was_found_out_are_held_against_it_once() -> None:
    stage = meshed(peers=6)
    for number in range(100):
        stage.have(ONE, b"%02d" % number * 10)
    stage.wait(PULL_SECONDS + PROMISE_SECONDS + 1.0)
    assert stage.count("broken-promise") == 100
    assert 2 < len([deed for deed in stage.node.deeds if deed.member == ONE]) < 6, "it may have been overloaded"

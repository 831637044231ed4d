from __future__ import annotations

import random

import pytest

from appliance.members.effects import Call
from appliance.members.row import Digest
from appliance.members.swim import DIRECT, FRESH, HELPERS, INDIRECT, MOST_HELPED, PERIOD, WORST_HEALTH, Kind, Swim
from tests.unit.members.rows import member

NEIGHBOURS = [member(f"n{n}") for n in range(5)]
A, B, *_ = NEIGHBOURS


def make(*watched: Digest) -> Swim:
    node = Swim(random.Random(1).random, 0.0)
    for each in watched:
        node.watch(each, 0.0)
    return node


def said(node: Swim) -> list[tuple[Digest, str, bytes]]:
    found = [tuple(say) for say in node.said]
    node.said.clear()
    return found  # type: ignore[return-value]


def until(node: Swim, when: float, there: list[Digest] = NEIGHBOURS) -> None:
    while node.next_due() <= when:
        node.due(node.next_due(), there)


def nobody(_: Digest) -> bool:
    return False


def everybody(_: Digest) -> bool:
    return True


def test_a_neighbour_that_was_heard_is_not_asked() -> None:
    node = make(*NEIGHBOURS)
    now = 0.0
    while now < 60.0:
        now += 1.0
        until(node, now)
        for each in NEIGHBOURS:
            node.heard(each, now)
    assert not node.said


def test_probes_of_an_idle_peer_are_no_more_than_one_in_two_seconds() -> None:
    node = make(A)
    pings = 0
    now = 0.0
    while now < 600.0:
        now = node.next_due()
        node.due(now, [A])
        pings += len(said(node))
        node.heard(A, now)
    assert pings <= 600 / FRESH
    assert FRESH >= PERIOD


def test_one_without_an_answer_is_asked_for_by_others_and_then_silent() -> None:
    node = make(*NEIGHBOURS)
    for each in NEIGHBOURS[1:]:
        node.heard(each, 10.0)
    while not node.said:
        node.due(now := node.next_due(), NEIGHBOURS)
    ((peer, kind, number),) = said(node)
    assert (peer, kind) == (A, Kind.PING)
    until(node, now + DIRECT)
    asked = said(node)
    assert len(asked) == HELPERS
    assert all(kind == Kind.ASK and body == number + A and peer != A for peer, kind, body in asked)
    assert not node.silent
    until(node, now + DIRECT + INDIRECT)
    assert node.silent == [A]


def test_an_answer_or_a_word_of_a_helper_is_enough() -> None:
    for answer in ("heard", "vouch"):
        node = make(*NEIGHBOURS)
        node.worse()
        until(node, 7.0 + DIRECT * 2)
        asks = [(peer, body) for peer, kind, body in said(node) if kind == Kind.ASK and body[4:] == A]
        assert asks
        if answer == "heard":
            node.heard(A, 9.0)
        else:
            helper, body = asks[0]
            stranger = next(each for each in NEIGHBOURS if each not in {peer for peer, _ in asks} | {A})
            node.take(stranger, Kind.VOUCH, body[:4], 9.0, everybody)
            assert A in node._probes
            node.take(helper, Kind.VOUCH, body[:4], 9.0, everybody)
        assert A not in node._probes


def test_a_session_that_ended_without_a_word_asks_the_others_at_once() -> None:
    node = make(*NEIGHBOURS)
    node.lost(A, NEIGHBOURS[1:], 1.0)
    assert {kind for _, kind, _ in said(node)} == {Kind.ASK}


def test_a_helper_asks_and_says_what_it_heard() -> None:
    node = make(B)
    node.take(A, Kind.ASK, b"\0\0\0\7" + B, 1.0, everybody)
    ((peer, kind, _),) = said(node)
    assert (peer, kind) == (B, Kind.PING)
    node.heard(B, 1.5)
    assert said(node) == [(A, Kind.VOUCH, b"\0\0\0\7")]
    node.take(A, Kind.ASK, b"\0\0\0\x08" + B, 2.0, everybody)
    said(node)
    until(node, 2.0 + INDIRECT, [])
    assert said(node) == [(A, Kind.DENY, b"\0\0\0\x08")]


def test_a_helper_without_a_session_calls() -> None:
    node = make()
    node.take(A, Kind.ASK, b"\0\0\0\7" + B, 1.0, nobody)
    assert node.wishes == [Call(B)]
    node.heard(B, 1.5)
    assert said(node) == [(A, Kind.VOUCH, b"\0\0\0\7")]


def test_help_is_bounded() -> None:
    node = make()
    for number in range(100):
        node.take(A, Kind.ASK, number.to_bytes(4, "big") + B, 1.0, nobody)
    assert len(node.wishes) == MOST_HELPED // 2
    for number in range(100):
        node.take(A, Kind.ASK, number.to_bytes(4, "big") + B, 1.0, everybody)
    assert len(node._helped) == MOST_HELPED


def test_one_to_whom_nobody_answers_waits_longer() -> None:
    node = make(*NEIGHBOURS)
    until(node, 60.0)
    assert node.health > 1
    before = node.next_due()
    assert before > 60.0
    for _ in range(20):
        node.worse()
    assert node.health == WORST_HEALTH
    for _ in range(20):
        node.better()
    assert node.health == 0


def test_helpers_that_deny_say_that_it_is_not_us() -> None:
    node = make(*NEIGHBOURS)
    node.lost(A, NEIGHBOURS[1:], 0.0)
    for peer, _, body in said(node):
        node.take(peer, Kind.DENY, body[:4], 1.0, everybody)
    for each in NEIGHBOURS[1:]:
        node.heard(each, 1.0)
    until(node, INDIRECT)
    assert node.silent == [A]
    assert node.health == 0


def test_sleep_gives_everybody_as_much_longer() -> None:
    node = make(*NEIGHBOURS)
    node.lost(A, [], 0.0)
    node.shift(100.0)
    until(node, 100.0)
    assert not node.silent
    assert node.health == 1
    until(node, 100.0 + INDIRECT)
    assert node.silent == [A]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("body", [b"", bytes(3), bytes(5), bytes(37)])
def test_messages_of_another_form(kind: Kind, body: bytes) -> None:
    assert not make(A).take(A, kind, body, 1.0, everybody)

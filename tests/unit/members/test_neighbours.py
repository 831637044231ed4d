from __future__ import annotations

import random
from itertools import pairwise

import pytest

from appliance.members.effects import Hold, Release, Say
from appliance.members.neighbours import (
    ACTIVE,
    FIRST_PAUSE,
    GRACE_SECONDS,
    PASSIVE,
    PASSIVE_WALK,
    PENDING_SECONDS,
    WALK,
    Kind,
    Neighbours,
)
from appliance.members.row import Digest
from tests.unit.members.rows import member

OTHERS = [member(f"n{n}") for n in range(12)]
A, B, C, D, E, F, *_ = OTHERS


def make(known: list[Digest] = OTHERS, seed: int = 1) -> Neighbours:
    return Neighbours(member("own"), lambda: known, known.__contains__, random.Random(seed).random, 0.0)


def said(node: Neighbours) -> list[tuple[Digest, str]]:
    found = [(say.peer, say.kind) for say in node.said]
    node.said.clear()
    return found


def neighbour(node: Neighbours, *peers: Digest, now: float = 0.0) -> None:
    """These ask to be neighbours, and are."""
    for peer in peers:
        node.connected(peer, now)
        node.take(peer, Kind.NEIGHBOUR, b"", now)
    assert all(peer in node.active for peer in peers)
    node.said.clear()
    node.wishes.clear()


def test_one_without_neighbours_joins_by_the_first_session() -> None:
    node = make()
    node.connected(A, 0.0)
    assert said(node) == [(A, Kind.JOIN)]
    assert node.wishes == [Hold(A)]
    node.take(A, Kind.ACCEPT, b"", 0.1)
    assert list(node.active) == [A]
    assert node.gained == [A]


def test_who_joins_is_made_known_to_the_other_neighbours() -> None:
    node = make()
    neighbour(node, A, B)
    node.connected(C, 1.0)
    node.take(C, Kind.JOIN, b"", 1.0)
    forwards = [say for say in node.said if say.kind == Kind.FORWARD]
    assert forwards == [Say(peer, Kind.FORWARD, bytes([WALK]) + C) for peer in (A, B)]
    assert C in node.active


def test_a_join_finds_room_and_a_question_does_not() -> None:
    node = make()
    neighbour(node, A, B, C, D, E)
    node.connected(F, 1.0)
    node.take(F, Kind.NEIGHBOUR, b"", 1.0)
    assert said(node) == [(F, Kind.REFUSE)]
    assert F in node.passive
    node.take(F, Kind.JOIN, b"", 2.0)
    assert F in node.active
    assert len(node.active) == ACTIVE
    (gone,) = {A, B, C, D, E} - node.active.keys()
    assert (gone, Kind.PART) in said(node)
    assert Release(gone) in node.wishes


def test_a_forward_walks_on_is_noted_and_ends_in_a_neighbour() -> None:
    node = make()
    neighbour(node, A, B)
    node.take(A, Kind.FORWARD, bytes([PASSIVE_WALK]) + C, 1.0)
    assert node.said == [Say(B, Kind.FORWARD, bytes([PASSIVE_WALK - 1]) + C)]
    assert C in node.passive
    node.take(A, Kind.FORWARD, bytes([0]) + D, 1.0)
    assert node.wishes == [Hold(D)]


@pytest.mark.parametrize("body", [b"", bytes(32), bytes([WALK + 1]) + A, bytes(40)])
def test_a_forward_of_another_form(body: bytes) -> None:
    node = make()
    assert not node.take(A, Kind.FORWARD, body, 1.0)
    assert node.take(A, Kind.FORWARD, bytes([1]) + member("stranger"), 1.0)
    assert not node.passive
    assert not node.wishes


def test_a_neighbour_without_a_session_has_time_to_come_back() -> None:
    node = make([A, B])
    neighbour(node, A)
    node.gone(A, 10.0)
    node.due(10.0 + GRACE_SECONDS - 0.1)
    assert A in node.active
    node.connected(A, 10.0 + GRACE_SECONDS - 0.05)
    node.due(20.0)
    assert A in node.active
    node.gone(A, 20.0)
    node.due(20.0 + GRACE_SECONDS)
    assert A not in node.active
    assert Release(A) in node.wishes
    assert Hold(B) in node.wishes


def test_one_that_cannot_be_reached_is_left_alone_for_longer_each_time() -> None:
    node = make([A])
    tried = []
    now = 0.0
    while now < 200.0:
        now = max(node.next_due(), now)
        node.due(now)
        if Hold(A) in node.wishes:
            tried.append(now)
            node.wishes.clear()
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses[0] >= PENDING_SECONDS + 0.75 * FIRST_PAUSE
    assert all(later > earlier for earlier, later in pairwise(pauses))


def test_a_session_that_is_there_is_preferred() -> None:
    node = make()
    neighbour(node, A)
    node.connected(D, 1.0)
    node.due(node.next_due() + 5.0)
    assert (D, Kind.NEIGHBOUR) in said(node)


def test_the_question_is_repeated_until_it_is_answered() -> None:
    node = make([A])
    node.connected(A, 0.0)
    node.said.clear()
    node.due(node.next_due())
    node.due(2.5)
    assert (A, Kind.JOIN) in said(node)


def test_an_answer_that_nobody_waits_for_is_taken_back() -> None:
    node = make()
    neighbour(node, A, B, C, D, E)
    node.take(F, Kind.ACCEPT, b"", 1.0)
    assert said(node) == [(F, Kind.PART)]
    assert F not in node.active


def test_a_shuffle_gives_and_takes_members_only() -> None:
    node = make()
    neighbour(node, A)
    node.take(A, Kind.SHUFFLE, B + C + member("stranger"), 1.0)
    assert set(node.passive) == {B, C}
    assert said(node) == [(A, Kind.SHUFFLED)]
    node.take(A, Kind.SHUFFLED, D, 1.0)
    assert D in node.passive
    assert not node.take(A, Kind.SHUFFLE, bytes(31), 1.0)
    assert not node.take(A, Kind.SHUFFLED, bytes(32 * 17), 1.0)


def test_who_takes_us_for_a_neighbour_and_is_none_is_told() -> None:
    node = make()
    node.take(A, Kind.SHUFFLE, B, 1.0)
    assert said(node) == [(A, Kind.PART)]


def test_the_passive_view_is_bounded() -> None:
    many = [member(f"m{n}") for n in range(100)]
    node = make(many)
    neighbour(node, many[0])
    for other in many[1:]:
        node.take(many[0], Kind.FORWARD, bytes([PASSIVE_WALK]) + other, 1.0)
    assert len(node.passive) == PASSIVE


def test_who_is_forgotten_is_nowhere() -> None:
    node = make()
    neighbour(node, A)
    node.take(A, Kind.SHUFFLED, B, 1.0)
    node.connected(C, 1.0)
    node._want(C, 1.0)
    for each in (A, B, C):
        node.forget(each, 2.0)
    assert not node.active
    assert not node.passive
    assert {Release(A), Release(C)} <= set(node.wishes)


def test_forwards_make_nobody_call_more_than_there_is_room_for() -> None:
    many = [member(f"m{n}") for n in range(100)]
    node = make(many)
    neighbour(node, many[0])
    for other in many[1:]:
        node.take(many[0], Kind.FORWARD, bytes([0]) + other, 1.0)
    assert len(node.wishes) == ACTIVE - 1
    for other in many[1:]:
        node.take(many[0], Kind.FORWARD, bytes([0]) + other, 2.0)
    assert len(node.wishes) == ACTIVE - 1

"""Scores: each part, what fades, and what is forgotten."""

from __future__ import annotations

import pytest

from appliance.knowledge.pubsub import scoring
from appliance.knowledge.pubsub.scoring import (
    BREACH_HALF,
    EXCUSED,
    FIRST_HALF,
    FRESH_SECONDS,
    GOSSIP,
    GRAYLIST,
    INVALID_HALF,
    KEPT_SECONDS,
    TOPICS_CAP,
    Scores,
    median,
)

ONE, TWO = b"1" * 32, b"2" * 32


def test_time_in_the_mesh_speaks_for_a_peer_while_it_lasts() -> None:
    scores = Scores()
    scores.entered(ONE, "news", 0.0)
    assert 0 < scores.score(ONE, 30.0) < scores.score(ONE, 60.0) < scores.score(ONE, 1e6)
    assert scores.score(ONE, 1e6) == scores.score(ONE, 1e9)
    scores.left(ONE, "news", 1e9)
    assert scores.score(ONE, 1e9 + 1) == 0


def test_first_deliveries_speak_for_it_and_fade() -> None:
    scores = Scores()
    scores.first(ONE, "news", 0.0)
    before = scores.score(ONE, 0.0)
    assert before > 0
    assert scores.score(ONE, FIRST_HALF) == pytest.approx(before / 2)


def test_what_all_topics_can_bring_has_a_cap() -> None:
    scores = Scores()
    for topic in map(str, range(10)):
        for _ in range(200):
            scores.first(ONE, topic, 0.0)
    assert scores.score(ONE, 0.0) == TOPICS_CAP


def test_who_brings_nothing_of_what_comes_falls_below_nought_and_it_sticks() -> None:
    scores = Scores()
    for member in (ONE, TWO):
        scores.entered(member, "news", 0.0)
        for number in range(20):
            scores.chance(member, "news", b"%d" % number, 0.0, given=member == TWO and number % 4 == 0)
    assert scores.score(ONE, 0.0) < 0 <= scores.score(TWO, 0.0)
    scores.left(ONE, "news", 0.0)
    scores.entered(ONE, "news", FRESH_SECONDS)
    assert scores.score(ONE, FRESH_SECONDS) < 0, "nor is it a way out to leave and come back"


@pytest.mark.parametrize(("messages", "authors"), [(5, 5), (100, 7)])
def test_few_messages_or_few_authors_say_nothing_about_anybody(messages: int, authors: int) -> None:
    scores = Scores()
    scores.entered(ONE, "news", 0.0)
    for number in range(messages):
        scores.chance(ONE, "news", b"%d" % (number % authors), 0.0, given=False)
    assert scores.score(ONE, 0.0) >= 0


def test_promises_that_are_mostly_kept_cost_nothing_and_others_cost_the_belief_only() -> None:
    scores = Scores()
    for number in range(1000):
        scores.promised(ONE, 0.0, kept=number % 50 != 0)
        scores.promised(TWO, 0.0, kept=False)
    assert scores.score(ONE, 0.0) == 0
    assert GRAYLIST < scores.score(TWO, 0.0) < GOSSIP


def test_what_speaks_against_a_member_counts_at_once_and_the_rest_within_a_second() -> None:
    scores = Scores()
    assert scores.score(ONE, 0.0) == 0
    scores.first(ONE, "news", 0.0)
    before = scores.score(ONE, 0.0)
    scores.first(ONE, "news", 0.5)
    assert scores.score(ONE, 0.5) == before
    assert scores.score(ONE, FRESH_SECONDS) > before
    scores.invalid(ONE, "news", FRESH_SECONDS)
    assert scores.score(ONE, FRESH_SECONDS) < 0


def test_invalid_messages_count_squared_and_three_gray_list() -> None:
    scores = Scores()
    found = []
    for _ in range(3):
        scores.invalid(ONE, "news", 0.0)
        found.append(scores.score(ONE, 0.0))
    assert found == [-10.0, -40.0, -90.0]
    assert found[-1] < GRAYLIST
    assert scores.score(ONE, INVALID_HALF) == pytest.approx(-90 / 4)


def test_a_few_breaches_are_excused_and_more_count_squared() -> None:
    scores = Scores()
    for _ in range(int(EXCUSED)):
        scores.breach(ONE, 0.0)
    assert scores.score(ONE, 0.0) == 0
    for _ in range(3):
        scores.breach(ONE, 0.0)
    assert scores.score(ONE, 0.0) < GRAYLIST
    assert scores.score(ONE, 10 * BREACH_HALF) == 0


def test_a_score_outlives_the_session_for_a_while() -> None:
    scores = Scores()
    scores.connected(ONE, 0.0)
    scores.invalid(ONE, "news", 0.0)
    scores.gone(ONE, 1.0)
    scores.connected(TWO, 1.0)
    scores.age(KEPT_SECONDS)
    assert scores.all(KEPT_SECONDS)[ONE] < 0
    scores.age(KEPT_SECONDS + 1.0)
    assert set(scores.all(KEPT_SECONDS)) == {TWO}


def test_of_too_many_members_one_without_a_session_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MOST_MEMBERS", 2)
    scores = Scores()
    scores.connected(ONE, 0.0)
    scores.breach(TWO, 0.0)
    scores.breach(b"3" * 32, 0.0)
    assert set(scores.all(0.0)) == {ONE, b"3" * 32}


def test_the_median_of_a_mesh() -> None:
    assert median({ONE: 1.0, TWO: -2.0, b"3": 7.0}) == 1.0
    assert median({}) == 0.0


def test_a_topic_that_says_nothing_any_more_is_forgotten_though_its_member_stays() -> None:
    scores = Scores()
    scores.connected(ONE, 0.0)
    for number in range(100):
        topic, now = f"topic-{number}", number * 60.0
        scores.entered(ONE, topic, now)
        scores.first(ONE, topic, now)
        scores.left(ONE, topic, now + 30.0)
    assert len(scores._members[ONE].topics) < 12


def test_a_member_that_the_rest_of_the_node_doubts_is_left_out_of_meshes_and_believed() -> None:
    scores = Scores({ONE}.__contains__)
    for member in (ONE, TWO):
        scores.connected(member, 0.0)
    assert GOSSIP < scores.score(ONE, 0.0) < 0 == scores.score(TWO, 0.0)
    for _ in range(120):
        scores.first(ONE, "news", FRESH_SECONDS)
    assert scores.score(ONE, FRESH_SECONDS) >= 0, "one that brings much may stay"

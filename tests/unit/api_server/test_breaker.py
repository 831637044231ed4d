"""A node that stops answering, in virtual time."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api_server.breaker import LONGEST, MISSES, PAUSE, Breaker, NodeSilent, Question


class Story:
    def __init__(self) -> None:
        self.breaker = Breaker()
        self.now = 0.0

    def asks(self) -> Question:
        return self.breaker.begin(self.now)

    def misses(self, times: int = 1, seconds: float = 10.0) -> Story:
        for _ in range(times):
            question = self.asks()
            self.now += seconds
            self.breaker.missed(question, self.now)
        return self

    def refuses(self) -> float:
        with pytest.raises(NodeSilent) as silent:
            self.asks()
        return silent.value.retry_after


def test_after_three_misses_nobody_waits_any_more() -> None:
    story = Story().misses(MISSES - 1)
    assert story.breaker.state == "closed"
    story.misses()
    assert story.refuses() == PAUSE
    assert (story.breaker.state, story.breaker.opened, story.breaker.refused) == ("open", 1, 1)


def test_then_one_question_is_tried_and_its_answer_lets_all_in() -> None:
    story = Story().misses(MISSES)
    story.now += PAUSE
    probe = story.asks()
    assert story.breaker.state == "half-open"
    assert story.refuses() >= 1, "the others hear that at once"
    story.breaker.heard(probe, story.now)
    assert story.breaker.state == "closed"
    story.misses(MISSES - 1)
    assert story.breaker.state == "closed", "it is counted anew"


def test_each_try_in_vain_makes_the_next_one_later() -> None:
    story, pauses = Story().misses(MISSES), []
    for _ in range(8):
        pauses.append(story.refuses())
        story.now += pauses[-1]
        story.misses()
    assert pauses == [2.0, 4.0, 8.0, 16.0, LONGEST, LONGEST, LONGEST, LONGEST]
    assert story.breaker.opened == 1, "it is one silence"


def test_one_slow_question_among_answered_ones_is_nothing() -> None:
    story = Story()
    for _ in range(20):
        slow = story.asks()
        story.now += 5
        story.breaker.heard(story.asks(), story.now)
        story.now += 5
        story.breaker.missed(slow, story.now)
    assert story.breaker.state == "closed"


def test_where_something_else_is_answered_the_node_lives() -> None:
    """Its API server says every five seconds that it lives, and a check of the network takes two minutes."""
    story = Story()
    for _ in range(2 * MISSES):
        slow = story.asks()
        story.now += 5
        story.breaker.heard_of(story.now)
        story.now += 115
        story.breaker.missed(slow, story.now)
    assert story.breaker.state == "closed"
    story.misses(MISSES)
    story.breaker.heard_of(story.now)
    assert story.asks(), "it need not wait for its pause"


def test_many_that_wait_at_the_same_time_open_it_once() -> None:
    story = Story()
    questions = [story.asks() for _ in range(50)]
    story.now = 10.0
    for question in questions:
        story.breaker.missed(question, story.now)
    assert story.breaker.opened == 1
    assert story.refuses() == PAUSE


def test_an_answer_that_comes_late_after_all_closes_it() -> None:
    story = Story()
    late = story.asks()
    story.misses(MISSES)
    story.breaker.heard(late, story.now)
    assert story.breaker.state == "closed"


def test_a_try_that_is_given_up_leaves_room_for_the_next() -> None:
    story = Story().misses(MISSES)
    story.now += PAUSE
    story.breaker.given_up(story.asks())
    assert story.breaker.state == "open"
    assert story.asks().probe


@given(st.lists(st.sampled_from(["heard", "missed", "given_up", "wait"]), max_size=60))
def test_whatever_happens_somebody_may_try_again_in_time(deeds: list[str]) -> None:
    story, waiting = Story(), list[Question]()
    for deed in deeds:
        with suppress(NodeSilent):
            waiting.append(story.asks())
        if deed == "wait":
            story.now += 7.0
        elif waiting:
            question = waiting.pop(0)
            (story.breaker.given_up(question) if deed == "given_up" else getattr(story.breaker, deed)(question, story.now))
    for question in waiting:
        story.breaker.given_up(question)
    story.now += LONGEST
    assert story.asks()

"""Who is not asked for a while, since it did not answer."""

from __future__ import annotations

from appliance.knowledge.scores.breakers import FAILURES, FIRST_SECONDS, MOST, MOST_SECONDS, PROBE_SECONDS, Breakers

MEMBER, OTHER = b"m" * 32, b"o" * 32


def failing(times: int = FAILURES, now: float = 0.0) -> Breakers:
    breakers = Breakers()
    for _ in range(times):
        assert breakers.allows(MEMBER, now)
        breakers.failed(MEMBER, now)
    return breakers


def test_failures_in_a_row_end_the_questions_for_a_while() -> None:
    assert failing(FAILURES - 1).allows(MEMBER, 0.0)
    breakers = failing()
    assert not breakers.allows(MEMBER, FIRST_SECONDS - 0.1)
    assert breakers.allows(OTHER, 0.0), "others are asked"
    assert (breakers.refused, breakers.open(0.0), breakers.is_open(MEMBER, 0.0)) == (1, 1, True)


def test_one_answer_between_failures_keeps_it_closed() -> None:
    breakers = Breakers()
    for _ in range(20):
        breakers.failed(MEMBER, 0.0)
        breakers.failed(MEMBER, 0.0)
        breakers.answered(MEMBER)
    assert breakers.allows(MEMBER, 0.0)


def test_then_one_probe_decides() -> None:
    breakers = failing()
    assert breakers.allows(MEMBER, FIRST_SECONDS)
    assert not breakers.allows(MEMBER, FIRST_SECONDS), "one probe at a time"
    breakers.answered(MEMBER)
    assert breakers.allows(MEMBER, FIRST_SECONDS)
    assert breakers.allows(MEMBER, FIRST_SECONDS)


def test_each_probe_that_fails_doubles_the_time() -> None:
    breakers, now, pauses = failing(), 0.0, [FIRST_SECONDS]
    for _ in range(10):
        now += pauses[-1]
        assert breakers.allows(MEMBER, now)
        breakers.failed(MEMBER, now)
        pauses.append(next(step for step in range(1, 1000) if not breakers.is_open(MEMBER, now + step)))
    assert pauses[:4] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS, 8 * FIRST_SECONDS]
    assert pauses[-1] == MOST_SECONDS


def test_a_new_session_is_worth_a_probe_at_once() -> None:
    breakers = failing()
    breakers.met(MEMBER, 1.0)
    assert breakers.allows(MEMBER, 1.0)
    breakers.failed(MEMBER, 1.0)
    assert not breakers.allows(MEMBER, 2.0)


def test_a_probe_that_comes_to_nothing_is_no_dead_end() -> None:
    breakers = failing()
    assert breakers.allows(MEMBER, FIRST_SECONDS)
    assert breakers.allows(MEMBER, FIRST_SECONDS + PROBE_SECONDS)


def test_as_many_are_kept_as_may_be() -> None:
    breakers = failing()
    for number in range(MOST):
        breakers.failed(number.to_bytes(32, "big"), 0.0)
    assert breakers.allows(MEMBER, 0.0), "the oldest one was forgotten"

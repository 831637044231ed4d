"""A circuit opens, probes and closes, in virtual time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.sdk.resilience.breaker import MOVES, Circuit, CircuitBreaker, Thresholds


def opened(**more: float) -> CircuitBreaker:
    breaker = CircuitBreaker(Thresholds(**{"consecutive": 3, "open_s": 10.0, **more}))  # type: ignore[arg-type]
    for _ in range(3):
        assert breaker.allows(0)
        breaker.failed(0)
    return breaker


def test_failures_in_a_row_open_it_and_calls_are_refused_until_its_time_is_over() -> None:
    breaker = opened()
    assert breaker.state(9.9) is Circuit.OPEN
    assert not breaker.allows(9.9)
    assert breaker.opens_in(4) == 6
    assert breaker.refused == 1
    assert breaker.state(10) is Circuit.HALF_OPEN


def test_a_success_between_them_keeps_it_closed() -> None:
    breaker = CircuitBreaker(Thresholds(consecutive=3))
    for _ in range(5):
        breaker.failed(0)
        breaker.failed(0)
        breaker.succeeded(0)
        if breaker.state(0) is not Circuit.CLOSED:
            raise AssertionError("it opened")


def test_half_of_many_calls_open_it_too() -> None:
    breaker = CircuitBreaker(Thresholds(consecutive=99, window=20, share=0.5))
    for number in range(19):
        (breaker.failed if number % 2 else breaker.succeeded)(0)
    assert breaker.state(0) is Circuit.CLOSED
    breaker.failed(0)
    assert breaker.state(0) is Circuit.OPEN


def test_one_probe_at_a_time_and_its_success_closes_it() -> None:
    breaker = opened()
    assert breaker.allows(10)
    assert not breaker.allows(10)
    breaker.succeeded(11)
    assert breaker.state(11) is Circuit.CLOSED
    breaker.failed(11)
    assert breaker.allows(11), "what was before counts no more"


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_the_longest() -> None:
    breaker, now, waits = opened(most_open_s=60), 0.0, []
    for _ in range(5):
        waits.append(breaker.opens_in(now))
        now += waits[-1]
        assert breaker.allows(now)
        breaker.failed(now)
    assert waits == [10, 20, 40, 60, 60]


def test_a_probe_that_is_taken_back_leaves_its_place_to_another() -> None:
    breaker = opened()
    assert breaker.allows(10)
    breaker.taken_back(11)
    assert breaker.allows(12)


@given(st.lists(st.tuples(st.sampled_from(["allows", "succeeded", "failed", "taken_back"]), st.floats(0, 30))))
def test_whatever_happens_it_obeys_its_table_and_probes_again_in_time(deeds: list[tuple[str, float]]) -> None:
    breaker, now, before = CircuitBreaker(Thresholds(most_open_s=60)), 0.0, Circuit.CLOSED
    for deed, seconds in deeds:
        now += seconds
        state = breaker.state(now)
        assert state is before or state in MOVES[before]
        getattr(breaker, deed)(now)
        before = breaker.state(now)
    assert breaker.state(now + 60) is not Circuit.OPEN

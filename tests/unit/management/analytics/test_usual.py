from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st

from appliance.management.analytics.usual import WARM_UP, Usual


def learnt(values: list[float]) -> Usual:
    usual = Usual()
    for value in values:
        usual.learn(value)
    return usual


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=100))
def test_at_first_it_is_the_ordinary_mean_and_deviation(values: list[float]) -> None:
    usual = learnt(values)
    mean = statistics.fmean(values)
    assert abs(usual.mean - mean) <= 1e-6 * max(1.0, mean)
    deviation = max(statistics.pstdev(values), 0.1 * mean)
    assert abs(usual.spread - deviation) <= 1e-3 * max(1.0, deviation)


def test_half_of_what_was_is_forgotten_in_half_an_hour() -> None:
    usual = learnt([100.0] * 5000 + [0.0] * 180)
    assert abs(usual.mean - 50) < 0.5


def test_little_says_nothing() -> None:
    assert not learnt([1.0] * (WARM_UP - 1)).warm
    assert learnt([1.0] * WARM_UP).warm


def test_a_figure_that_never_moves_may_move_by_a_tenth() -> None:
    assert learnt([50.0] * 100).spread == 5.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.floats(0, 1e6))
def test_its_parts_are_all_of_it(values: list[float], value: float) -> None:
    usual = learnt(values)
    again = Usual.of(*usual.parts())
    for each in (usual, again):
        each.learn(value)
    assert (again.mean, again.spread, again.warm) == (usual.mean, usual.spread, usual.warm)

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from appliance.protocol.replay import WINDOW, ReplayWindow

STEPS = st.one_of(st.integers(-3, 3), st.integers(-WINDOW - 80, WINDOW + 80), st.integers(-(2**40), 2**40))


def test_each_number_is_taken_once() -> None:
    window = ReplayWindow()
    for number in range(3 * WINDOW):
        assert window.check(number)
        window.mark(number)
        assert not window.check(number)


def test_the_window_has_8192_numbers_to_the_last() -> None:
    window = ReplayWindow()
    window.mark(100_000)
    assert window.check(100_000 - WINDOW + 1)
    assert not window.check(100_000 - WINDOW)


@given(st.lists(STEPS, max_size=200))
def test_it_agrees_with_a_set(steps: list[int]) -> None:
    window, seen, newest, number = ReplayWindow(), set[int](), 0, 0
    for step in steps:
        number = max(0, number + step)
        fresh = number not in seen and newest - number < WINDOW
        assert window.check(number) == fresh
        if fresh:
            window.mark(number)
            seen.add(number)
            newest = max(newest, number)
    assert window.newest == newest


def test_it_takes_about_a_kilobyte() -> None:
    assert sys.getsizeof(ReplayWindow()._words) < 1300

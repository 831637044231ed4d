from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.protocol.timers import BUDGET, Timers


def test_what_is_due_comes_in_order() -> None:
    timers: Timers[str] = Timers()
    timers.set("late", 3.0)
    timers.set("early", 1.0)
    timers.set("middle", 2.0)
    assert timers.next() == 1.0
    assert list(timers.due(2.0)) == ["early", "middle"]
    assert timers.next() == 3.0


def test_a_key_has_one_deadline() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 1.0)
    timers.set("a", 5.0)
    assert list(timers.due(4.0)) == []
    timers.set("a", 2.0)
    assert timers.next() == 2.0
    timers.cancel("a")
    assert timers.next() is None
    assert len(timers) == 0


def test_a_deed_may_set_a_timer_that_is_due_at_once() -> None:
    timers: Timers[str] = Timers()
    timers.set("first", 1.0)
    seen = []
    for key in timers.due(2.0):
        seen.append(key)
        if key == "first":
            timers.set("second", 1.5)
    assert seen == ["first", "second"]


def test_a_deed_that_is_due_for_ever_does_not_stop_the_turn() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 1.0)
    turns = 0
    for key in timers.due(1.0):
        turns += 1
        timers.set(key, 1.0)
    assert turns == BUDGET + 4
    assert timers.next() == 1.0


def test_moving_one_timer_for_ever_takes_no_memory() -> None:
    timers: Timers[str] = Timers()
    for turn in range(10_000):
        timers.set("a", float(turn))
    assert len(timers._heap) < 100


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 20)))))
def test_it_agrees_with_a_dict(steps: list[tuple[int, int | None]]) -> None:
    timers, model = Timers[int](), dict[int, float]()
    for key, when in steps:
        if when is None:
            timers.cancel(key)
            model.pop(key, None)
        else:
            timers.set(key, when)
            model[key] = when
    assert timers.next() == min(model.values(), default=None)
    assert sorted(timers.due(10)) == sorted(key for key, when in model.items() if when <= 10)

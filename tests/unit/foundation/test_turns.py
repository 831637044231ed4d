"""A turn of the loop is seen however rare it is, the longest of a minute is known, and late ones are counted."""

from __future__ import annotations

import asyncio
import time

import pytest

from appliance.foundation import clock, turning
from appliance.foundation.turns import LATE, SLOT, SLOTS, Turns


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    made = Hand()
    monkeypatch.setattr(clock, "monotonic", made)
    return made


def turn(turns: Turns, hand: Hand, seconds: float) -> None:
    turns.began()
    hand.now += seconds
    turns.ended()


def test_the_longest_turn_is_that_of_the_last_minute(hand: Hand) -> None:
    turns = Turns()
    turns.ended()
    turn(turns, hand, 0.02)
    turn(turns, hand, 0.2)
    turns.began()
    assert turns.longest() == pytest.approx(0.2)
    hand.now += SLOT * (SLOTS - 1)
    turns.began()
    assert turns.longest() == pytest.approx(0.2)
    hand.now += 2 * SLOT
    turns.began()
    assert turns.longest() == 0.0
    hand.now += 100 * SLOT
    turns.began()
    assert turns.longest() == 0.0
    turn(turns, hand, 0.01)
    assert turns.longest() == pytest.approx(0.01)


def test_the_turn_under_way_counts_and_waiting_does_not(hand: Hand) -> None:
    turns = Turns()
    turns.ended()
    hand.now += 5.0
    turns.began()
    hand.now += 0.3
    assert turns.longest() == pytest.approx(0.3)


def test_each_late_turn_is_counted(hand: Hand) -> None:
    turns = Turns()
    turns.ended()
    for seconds in (LATE / 2, 10 * LATE, 2 * LATE, 3 * LATE):
        turn(turns, hand, seconds)
    assert turns.late == 3


def test_a_real_loop_is_measured_and_its_waits_are_not() -> None:
    turns = Turns()

    async def main() -> tuple[float, int]:
        await asyncio.sleep(2 * LATE)
        before = turns.late
        time.sleep(1.5 * LATE)  # noqa: ASYNC251  what is to be seen
        await asyncio.sleep(0)
        return turns.longest(), turns.late - before

    longest, late = turning.run(main(), lambda _error: False, turns)
    assert late == 1
    assert longest >= 1.5 * LATE

"""The time to confirm a change in, by a clock that goes on while the host sleeps."""

from __future__ import annotations

import asyncio

import pytest

from appliance.runtime.host import countdown
from appliance.runtime.host.countdown import Countdown


class Clock:
    """Goes on only when it is told to, as that of a host seems to which wakes up."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_deadline_that_passed_asleep_is_over_on_waking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countdown, "LOOK_EVERY", 0.0)
    clock, expired = Clock(), asyncio.Event()
    counting = Countdown(clock)
    counting.begin(600, expired.set)
    for _ in range(10):
        await asyncio.sleep(0)
    assert counting.runs
    assert not expired.is_set()
    clock.now += 599
    assert counting.seconds_left() == 1.0
    clock.now += 1
    await expired.wait()
    assert counting.overdue
    assert not counting.runs
    assert counting.seconds_left() is None


async def test_one_that_was_confirmed_does_not_expire() -> None:
    clock, expired = Clock(), asyncio.Event()
    counting = Countdown(clock)
    counting.begin(0, expired.set)
    counting.end()
    counting.end()
    await asyncio.sleep(0)
    assert not expired.is_set()
    assert not counting.overdue

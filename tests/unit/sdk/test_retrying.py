"""Retries in virtual time: the waits grow, are random, and end at attempts, budget and deadline."""

from __future__ import annotations

import random

import pytest

from appliance.errors import ApplianceError
from appliance.sdk.resilience.retrying import Backoff, RetryBudget, RetryPolicy, Surroundings, with_retries


class Passing(ApplianceError):
    retryable = True


class World:
    """A clock that sleeping moves on."""

    def __init__(self, chance: float = 1.0) -> None:
        self.time = 0.0
        self.waits: list[float] = []
        self.around = Surroundings(lambda: self.time, self.sleep, lambda: chance)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds


class Fails:
    """An attempt that fails so many times."""

    def __init__(self, times: int, error: type[Exception] = Passing) -> None:
        self.times, self.error, self.numbers = times, error, []

    async def __call__(self, number: int) -> str:
        self.numbers.append(number)
        if len(self.numbers) <= self.times:
            raise self.error("no")
        return "done"


async def test_the_ends_of_the_waits_double_up_to_the_longest() -> None:
    world = World()
    policy = RetryPolicy(attempts=8, backoff=Backoff(first_s=0.1, most_s=1.0))
    assert await with_retries(Fails(7), policy, RetryBudget(), world.around) == "done"
    assert world.waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0])


def test_a_wait_is_anything_up_to_its_end() -> None:
    chance = random.Random(7).random
    waits = [Backoff(first_s=1.0, most_s=8.0).wait(3, chance) for _ in range(1000)]
    assert 0 <= min(waits) < 0.1
    assert 3.9 < max(waits) < 4.0
    assert 1.8 < sum(waits) / len(waits) < 2.2


def test_a_thousandth_wait_is_no_overflow() -> None:
    assert Backoff().ceiling(100_000) == Backoff().most_s


async def test_the_attempts_of_one_call_are_counted_and_the_last_error_comes_out_with_the_reason() -> None:
    attempt = Fails(99)
    with pytest.raises(Passing) as error:
        await with_retries(attempt, RetryPolicy(attempts=3), RetryBudget(), World().around)
    assert attempt.numbers == [1, 2, 3]
    assert error.value.__notes__ == ["attempts: 3; no more are allowed for one call"]


async def test_what_would_fail_again_is_not_made_again() -> None:
    for kind in (ApplianceError, ValueError):
        attempt = Fails(99, kind)
        with pytest.raises(kind):
            await with_retries(attempt, RetryPolicy(), RetryBudget(), World().around)
        assert attempt.numbers == [1]


async def test_no_attempt_begins_after_the_deadline() -> None:
    world, attempt = World(), Fails(99)
    with pytest.raises(Passing, match="no") as error:
        await with_retries(attempt, RetryPolicy(attempts=99, backoff=Backoff(1.0, 1.0)), RetryBudget(), world.around, until=3.5)
    assert (world.time, attempt.numbers) == (3.0, [1, 2, 3, 4])
    assert "deadline" in error.value.__notes__[0]


async def test_where_all_calls_fail_retries_add_a_fifth_to_the_load() -> None:
    budget, made = RetryBudget(share=0.2, most=10), 0
    for _ in range(1000):
        attempt = Fails(99)
        with pytest.raises(Passing):
            await with_retries(attempt, RetryPolicy(attempts=4), budget, World().around)
        made += len(attempt.numbers)
    assert made <= 1000 + 200 + 10
    assert budget.refused > 700
    assert budget.left < 1

"""Connections are used again as long as they are good, and no longer."""

from __future__ import annotations

import asyncio
import random

import pytest

from appliance.errors import ApplianceError
from appliance.sdk.errors import PoolBusy, PoolClosed
from appliance.sdk.resilience.pool import Pool, PoolLimits
from tests.unit.sdk.test_retrying import World


class Line:
    """A connection without a kernel."""

    def __init__(self, number: int) -> None:
        self.number, self.open, self.good = number, True, True

    def fit(self) -> bool:
        return self.open and self.good

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.open = False


class Exchange:
    """Where lines are dialled."""

    def __init__(self, **limits: float) -> None:
        self.lines: list[Line] = []
        self.world = World()
        self.pool = Pool(self.dial, self.world.around, PoolLimits(**limits))  # type: ignore[arg-type]

    async def dial(self) -> Line:
        await asyncio.sleep(0)
        self.lines.append(Line(len(self.lines)))
        return self.lines[-1]

    async def use(self) -> Line:
        async with self.pool.connection() as line:
            assert line.open
            return line

    def open(self) -> int:
        return sum(line.open for line in self.lines)


async def test_one_is_used_again() -> None:
    exchange = Exchange()
    assert await exchange.use() is await exchange.use()
    assert exchange.pool.counted == {"made": 1, "reused": 1}


async def test_two_at_a_time_are_two() -> None:
    exchange = Exchange()
    async with exchange.pool.connection() as one, exchange.pool.connection() as other:
        assert one is not other
    assert (exchange.pool.idle, exchange.pool.in_use) == (2, 0)


async def test_one_whose_other_end_went_is_replaced_by_itself() -> None:
    exchange = Exchange()
    (await exchange.use()).good = False
    again = await exchange.use()
    assert again.number == 1
    assert not exchange.lines[0].open
    assert exchange.pool.counted["unfit"] == 1


async def test_one_that_is_too_old_or_was_idle_for_too_long_is_not_used() -> None:
    exchange = Exchange(idle_s=10, life_s=25)
    for seconds in (9, 9, 9, 10):
        await exchange.use()
        exchange.world.time += seconds
    await exchange.use()
    assert exchange.pool.counted == {"made": 3, "reused": 2, "old": 1, "idle": 1}
    assert exchange.open() == 1


async def test_what_nobody_wants_is_closed_without_being_asked_for() -> None:
    exchange = Exchange(idle_s=0.0)
    exchange.pool._limits = PoolLimits(idle_s=1e-9)
    await exchange.use()
    exchange.world.time += 1
    async with asyncio.timeout(60):
        while exchange.open():  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert exchange.pool.idle == 0


async def test_an_error_closes_it() -> None:
    exchange = Exchange()
    with pytest.raises(ValueError, match="half"):
        async with exchange.pool.connection():
            raise ValueError("half a message is on its way")
    assert exchange.open() == exchange.pool.in_use == 0


async def test_a_dial_that_fails_leaves_its_place_free() -> None:
    exchange = Exchange(most=1)

    async def fails() -> Line:
        raise ApplianceError("nobody is there")

    exchange.pool._dial = fails
    for _ in range(3):
        with pytest.raises(ApplianceError, match="nobody"):
            await exchange.use()
    assert exchange.pool.in_use == 0


async def test_more_than_allowed_wait_in_order_and_no_longer_than_they_would() -> None:
    exchange, order = Exchange(most=1), []

    async def use(number: int) -> None:
        async with exchange.pool.connection():
            order.append(number)
            await asyncio.sleep(0)

    async with exchange.pool.connection():
        with pytest.raises(PoolBusy) as busy:
            async with exchange.pool.connection(deadline_s=0):
                raise AssertionError
        assert busy.value.retryable
        waiting = [asyncio.create_task(use(number)) for number in range(5)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]
    assert exchange.pool.in_use == 0


async def test_closing_ends_those_who_wait_and_what_is_kept_and_later_what_is_in_use() -> None:
    exchange = Exchange(most=2)
    await exchange.use()
    async with exchange.pool.connection() as held, exchange.pool.connection():
        waiting = asyncio.create_task(exchange.use())
        await asyncio.sleep(0)
        await exchange.pool.close()
        with pytest.raises(PoolClosed):
            await waiting
        assert held.open
    assert exchange.open() == exchange.pool.in_use == 0
    with pytest.raises(PoolClosed):
        await exchange.use()


async def test_a_thousand_that_are_cancelled_at_random_moments_leave_no_place_and_no_line() -> None:
    exchange, chance = Exchange(most=3), random.Random(11)

    async def use() -> None:
        async with exchange.pool.connection():
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)

    async def cancelled() -> None:
        task = asyncio.create_task(use())
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    for _ in range(50):
        await asyncio.gather(*(cancelled() for _ in range(20)))
    assert exchange.pool.in_use == 0
    assert exchange.open() == exchange.pool.idle <= 3
    await asyncio.gather(*(exchange.use() for _ in range(9)))

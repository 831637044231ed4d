from __future__ import annotations

import asyncio

from appliance.foundation.pressure_watch import PressureWatch
from appliance.protocol.pressure import CALM, CONFIRM, Change, Grade, Left, Limits, Pressure, Readings, Resource
from tests.rigs.virtual_loop import VirtualLoop, played

PLENTY = Readings(memory=Left(1 << 30, 1 << 32))
FEW = Readings(memory=Left(1 << 20, 1 << 32))


def test_it_looks_every_second_and_says_what_changed() -> None:
    async def story() -> list[tuple[Resource, Grade]]:
        now, told = [FEW], list[Change]()
        watch = PressureWatch(Pressure(Limits()), lambda: now[0], told.extend)
        watch.start()
        await asyncio.sleep(CONFIRM + 0.5)
        now[0] = PLENTY
        await asyncio.sleep(CALM)
        watch.stop()
        now[0] = FEW
        await asyncio.sleep(100)
        watch.stop()
        return [(change.resource, change.grade) for change in told]

    assert played(story()) == [(Resource.MEMORY, Grade.STRAINED), (Resource.MEMORY, Grade.WELL)]


def test_a_loop_that_is_late_is_short_of_a_processor() -> None:
    async def story() -> Grade:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        watch = PressureWatch(Pressure(Limits()), lambda: PLENTY)
        watch.start()
        for _ in range(CONFIRM):
            await asyncio.sleep(0.5)
            loop.now += 3.0  # something computes
            await asyncio.sleep(0.01)
        watch.stop()
        return watch.pressure.grade(Resource.CPU)

    assert played(story()) is Grade.STRAINED

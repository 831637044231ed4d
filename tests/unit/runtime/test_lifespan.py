"""What started last is stopped first, within limits, and nobody's failure keeps the others running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from appliance.runtime.lifespan import Lifespan


def noted(order: list[str], name: str) -> Callable[[], Awaitable[None]]:
    async def stop() -> None:
        order.append(name)

    return stop


async def test_stops_in_reverse() -> None:
    order: list[str] = []
    lifespan = Lifespan()
    for name in ("host", "worker", "node"):
        lifespan.push(name, noted(order, name))
    assert await lifespan.unwind() == []
    assert order == ["node", "worker", "host"]


async def test_one_failure_stops_nobody_else() -> None:
    order: list[str] = []

    async def fails() -> None:
        raise RuntimeError("no")

    lifespan = Lifespan()
    lifespan.push("host", noted(order, "host"))
    lifespan.push("monitor", fails)
    assert await lifespan.unwind() == ["monitor"]
    assert order == ["host"]


async def test_who_does_not_stop_is_left_behind() -> None:
    order: list[str] = []
    lifespan = Lifespan()
    lifespan.push("host", noted(order, "host"))
    lifespan.push("plugin", asyncio.Event().wait, limit=0.01)
    assert await lifespan.unwind() == ["plugin"]
    assert order == ["host"]


async def test_a_hurry_shortens_what_is_not_essential() -> None:
    lifespan = Lifespan()
    release = asyncio.Event()
    lifespan.push("host", release.wait, essential=True)
    lifespan.push("plugin", asyncio.Event().wait, limit=1000)
    lifespan.hurry.set()
    asyncio.get_running_loop().call_later(0.6, release.set)
    assert await lifespan.unwind() == ["plugin"]


async def test_a_part_may_end_before_its_time() -> None:
    ended: list[str] = []
    lifespan = Lifespan()

    def part(name: str) -> None:
        async def stop() -> None:
            ended.append(name)

        lifespan.push(name, stop)

    for name in ("one", "two", "three"):
        part(name)
    assert await lifespan.end("two")
    assert await lifespan.end("nobody")
    await lifespan.unwind()
    assert ended == ["two", "three", "one"]

"""Costly work after many changes is done once."""

from __future__ import annotations

import asyncio

from appliance.foundation.gathering import Gathered


async def test_many_wishes_are_one() -> None:
    done = asyncio.Event()
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1
        done.set()

    gathered = Gathered(work)
    for _ in range(100):
        gathered.soon()
    await asyncio.wait_for(done.wait(), 60)
    assert calls == 1
    done.clear()
    gathered.soon()
    await asyncio.wait_for(done.wait(), 60)
    assert calls == 2


async def test_what_was_cancelled_is_not_done_and_may_be_asked_for_again() -> None:
    done = asyncio.Event()
    gathered = Gathered(done.set, 0.0)
    gathered.soon()
    gathered.cancel()
    other = asyncio.Event()
    asyncio.get_running_loop().call_later(0, other.set)
    await other.wait()
    assert not done.is_set()
    gathered.soon()
    await asyncio.wait_for(done.wait(), 60)

"""An API server that says nothing is noticed, and given up in the end; one that speaks is not."""

from __future__ import annotations

import asyncio

from appliance.runtime.management.watch import GIVEN_UP, LOOK_EVERY, SILENT, Watch
from tests.rigs.virtual_loop import played


def test_who_says_nothing_is_silent_and_then_given_up_once() -> None:
    async def story() -> None:
        given_up: list[float] = []
        now = asyncio.get_running_loop().time
        began = now()
        watch = Watch(lambda: given_up.append(now() - began))
        watch.begin()
        silent = []
        for seconds in (LOOK_EVERY * SILENT - 1, 2, LOOK_EVERY * GIVEN_UP * 2):
            await asyncio.sleep(seconds)
            silent.append(watch.silent)
        assert silent == [False, True, True]
        assert given_up == [LOOK_EVERY * GIVEN_UP]
        watch.begin()
        assert not watch.silent
        watch.end()

    played(story())


def test_who_speaks_now_and_then_is_left_alone_and_who_has_ended_too() -> None:
    async def story() -> None:
        given_up: list[float] = []
        watch = Watch(lambda: given_up.append(0))
        watch.begin()
        for _ in range(GIVEN_UP):
            await asyncio.sleep(LOOK_EVERY * (SILENT - 1))
            watch.heard()
            assert not watch.silent
        watch.end()
        await asyncio.sleep(LOOK_EVERY * GIVEN_UP * 2)
        assert given_up == []

    played(story())

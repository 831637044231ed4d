"""Calls that may hang, in threads that nobody waits for longer than he wants to."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from appliance.foundation.aside import Aside, Asides, Busy
from appliance.foundation.patience import Escaped, TookTooLong


async def test_a_result_and_an_error_come_back() -> None:
    aside = Aside("test", 1)
    assert await aside.run(lambda: threading.current_thread().name, 5) == "test"
    with pytest.raises(ZeroDivisionError):
        await aside.run(lambda: 1 // 0, 5)
    with pytest.raises(Escaped, match="SystemExit"):
        await aside.run(sys.exit, 5)


async def test_what_is_late_is_left_behind_and_counts_until_it_ends() -> None:
    aside, go_on = Aside("test", 1), threading.Event()
    with pytest.raises(TookTooLong, match=r"did not end within 0.01 s \(.*\.py:\d+\)"):
        await aside.run(go_on.wait, 0.01)
    with pytest.raises(Busy):
        await aside.run(int, 5)
    go_on.set()
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0)
            try:
                assert await aside.run(int, 5) == 0
            except Busy:
                continue
            return


def test_a_loop_that_has_ended_is_not_told() -> None:
    go_on = threading.Event()

    async def ask() -> None:
        with pytest.raises(TookTooLong):
            await Aside("late", 1).run(go_on.wait, 0.01)

    asyncio.run(ask())
    [thread] = [thread for thread in threading.enumerate() if thread.name == "late"]
    go_on.set()
    thread.join()


async def test_each_has_threads_of_its_own_which_are_forgotten_when_they_ended() -> None:
    asides, go_on = Asides("test", 1), threading.Event()
    with pytest.raises(TookTooLong):
        await asides.run("slow", go_on.wait, 0.01)
    with pytest.raises(Busy):
        await asides.run("slow", int, 5)
    assert await asides.run("quick", int, 5) == 0
    assert list(asides._of) == ["slow"]
    go_on.set()
    async with asyncio.timeout(60):
        while asides._of:
            await asides.run("quick", int, 5)

from __future__ import annotations

import asyncio
import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.management import Refused
from appliance.errors import ExitCode
from appliance.runtime.plugins.routes import BadArguments
from appliance.runtime.profiling.questions import Profiling

NOBODY: Any = SimpleNamespace(current=None)


@pytest.mark.parametrize(
    "args",
    [
        {"seconds": 0},
        {"seconds": 61},
        {"seconds": "10"},
        {"seconds": True},
        {"seconds": float("nan")},
        {"hertz": 0},
        {"hertz": 201},
        {"hertz": 10.5},
        {"worker": -1},
        {"worker": "0"},
        {"worker": True},
        {"pid": 1},
    ],
)
async def test_odd_arguments_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(BadArguments):
        await Profiling().profile(args, NOBODY)


async def test_where_the_control_process_is() -> None:
    found = await Profiling().profile({"seconds": 1, "hertz": 200}, NOBODY)
    assert (found["process"], found["hertz"]) == ("control", 200)
    assert any("test_questions" in line or "asyncio" in line for line in found["stacks"]), "this thread runs the loop"


async def test_there_is_no_such_worker() -> None:
    with pytest.raises(Refused, match="no worker 0"):
        await Profiling().profile({"worker": 0}, NOBODY)


async def test_one_at_a_time_and_taking_it_back_ends_it() -> None:
    profiling = Profiling()
    first = asyncio.ensure_future(profiling.profile({"seconds": 60}, NOBODY))
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="already") as raised:
        await profiling.profile({"seconds": 0.01}, NOBODY)
    assert raised.value.exit_code is ExitCode.RETRY
    with pytest.raises(Refused, match="already"):
        await profiling.memory(os.getpid())
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    for thread in [each for each in threading.enumerate() if each.name == "profiler"]:
        await asyncio.to_thread(thread.join, 60)
    await asyncio.sleep(0)  # it says that it has ended
    assert (await profiling.memory(os.getpid()))["memory"] > 1 << 20


async def test_one_worker_at_a_time_too() -> None:
    worker = SimpleNamespace(pid=os.getpid(), ask_where=lambda: True, where=str)
    keeper: Any = SimpleNamespace(current=SimpleNamespace(living=[worker]))
    profiling = Profiling()
    first = asyncio.ensure_future(profiling.profile({"seconds": 60, "worker": 0}, keeper))
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="already"):
        await profiling.profile({"worker": 0}, keeper)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await profiling.profile({"seconds": 0.01, "worker": 0}, keeper))["process"] == "worker 0"

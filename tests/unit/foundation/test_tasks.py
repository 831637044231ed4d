"""Tasks that do not vanish."""

from __future__ import annotations

import asyncio

import pytest

from appliance.foundation import tasks as module
from appliance.foundation.tasks import Tasks


async def fail() -> None:
    raise OSError("no")


async def test_a_failure_is_told() -> None:
    told: list[Exception] = []
    tasks = Tasks()
    await tasks.spawn(fail(), "fails", told.append)
    assert [str(error) for error in told] == ["no"]


async def test_a_failure_nobody_asked_for_is_logged(caplog: object) -> None:
    tasks = Tasks()
    await tasks.spawn(fail(), "fails")
    assert len(tasks) == 0


async def test_close_ends_all_even_those_that_had_not_begun() -> None:
    tasks = Tasks()
    begun = tasks.spawn(asyncio.Event().wait(), "waits")  # type: ignore[arg-type]
    await asyncio.wait({begun}, timeout=0)
    tasks.spawn(asyncio.Event().wait(), "never begins")  # type: ignore[arg-type]
    await tasks.close()
    assert len(tasks) == 0
    assert begun.cancelled()


async def test_what_runs_may_come_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    async def work(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        ended.append(turns)

    running = Tasks()
    await running.settle()
    running.spawn(work(3), "short")
    await running.settle()
    assert ended == [3]
    monkeypatch.setattr(module, "LEAVE_SECONDS", 0.01)
    running.spawn(asyncio.Event().wait(), "endless")  # type: ignore[arg-type]
    await running.settle()
    assert len(running) == 1
    await running.close()
    assert len(running) == 0

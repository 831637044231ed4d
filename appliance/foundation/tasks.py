"""Supervised tasks: each has a name, the exception of none is lost, and all end together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from appliance.foundation.logging import get_logger
from appliance.foundation.patience import as_exception

log = get_logger("tasks")

LEAVE_SECONDS = 5.0
"""How long cancelled tasks may take to end. Those of a plugin may not want to."""

Failed = Callable[[Exception], None]
"""Is told about a task's failure, instead of the log."""


class Tasks:
    """The tasks of one owner."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, work: Awaitable[None], name: str, failed: Failed | None = None) -> asyncio.Task[None]:
        """Run `work` beside the caller. Its failure goes to `failed`, or to the log as an error."""
        task = asyncio.get_running_loop().create_task(_guarded(work, name, failed), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if isinstance(work, Coroutine):  # a task cancelled before its first step would leave it unawaited
            task.add_done_callback(lambda _task: work.close())
        return task

    async def settle(self) -> None:
        """Let what runs come to its end, for as long as it may take to leave."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        if running:
            await asyncio.wait(running, timeout=LEAVE_SECONDS)

    async def close(self) -> None:
        """Cancel what still runs, and wait until it has ended. What does not end is left behind."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=LEAVE_SECONDS)


async def _guarded(work: Awaitable[None], name: str, failed: Failed | None) -> None:
    try:
        await work
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and cancelled():
            raise
        if failed is None:
            log.exception("a task failed", task=name)
        else:
            failed(as_exception(error))


def cancelled() -> bool:
    """Was this task cancelled by us? What it runs may raise CancelledError of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def beside(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all beside each other until the first has ended; then the others are cancelled. Raises what that one raised."""
    tasks = [asyncio.get_running_loop().create_task(_caught(work), name="beside") for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        errors = [error for task in done if not task.cancelled() and (error := task.result()) is not None]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=LEAVE_SECONDS)
        for work in works:
            work.close()
    if errors:
        raise errors[0]


async def _caught(work: Coroutine[Any, Any, None]) -> Exception | None:
    """A task must not end with sys.exit: asyncio would end the loop for it."""
    try:
        await work
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and cancelled():
            raise
        return as_exception(error)
    return None

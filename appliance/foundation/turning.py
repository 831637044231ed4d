"""Runs the event loop to the end of the daemon, whatever plugins raise in it.

In asyncio, SystemExit and KeyboardInterrupt of any task or callback end the loop; and at the end it waits for ever for tasks that
do not let themselves be cancelled. From the code of a plugin, which may make tasks of its own, both are faults of that plugin:
they are told, and the daemon goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from appliance.foundation.turns import Turns, timed_loop

END_SECONDS: Final = 1.0
"""How long tasks and threads that plugins left behind may take to end."""

Result = TypeVar("Result")
Survive = Callable[[BaseException], bool]
"""Is told about what came out of a task or callback that nobody waits for. True: a plugin is at fault, and it was written
down."""


def run(main: Coroutine[Any, Any, Result], survive: Survive, turns: Turns | None = None) -> Result:
    """What `main` returns or raises. `turns` measures the loop."""
    loop = timed_loop(turns or Turns())
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(lambda loop, context: _handle(loop, context, survive))
    try:
        return _turn(loop, loop.create_task(main, name="daemon"), survive)
    finally:
        _turn(loop, loop.create_task(_end(loop), name="end"), survive)
        asyncio.set_event_loop(None)
        loop.close()


def _turn(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Result], survive: Survive) -> Result:
    while True:
        try:
            return loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as error:
            if task.done() or not survive(error):
                raise


async def _end(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=END_SECONDS)
    closing = [loop.create_task(loop.shutdown_asyncgens()), loop.create_task(loop.shutdown_default_executor())]
    await asyncio.wait(closing, timeout=END_SECONDS)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any], survive: Survive) -> None:
    error = context.get("exception")
    if error is None or not survive(error):
        loop.default_exception_handler(context)

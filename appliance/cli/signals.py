"""A command that changes the host ends on SIGTERM, and when its terminal is lost, as on Ctrl-C: what it began is undone first.

A signal that was ignored when the command started stays ignored, as in every program: `nohup` ignores SIGHUP, and the shell of a
script ignores SIGINT for what it runs in the background.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal ended it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number
        """What a shell reports for that signal."""


def run_until_stopped(doing: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end. The first signal cancels it; further ones change nothing while it undoes. Then Stopped is raised."""
    seen: list[int] = []
    try:
        return asyncio.run(_listening(doing, seen))
    except asyncio.CancelledError:
        raise Stopped(seen[0]) from None


def not_ignored() -> list[signal.Signals]:
    """Those of SIGNALS that may end this process."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


async def _listening(doing: Coroutine[Any, Any, Result], seen: list[int]) -> Result:
    task = asyncio.current_task()
    assert task is not None

    def stop(number: int) -> None:
        seen.append(number)
        if len(seen) == 1:
            task.cancel()

    for number in not_ignored():
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return await doing

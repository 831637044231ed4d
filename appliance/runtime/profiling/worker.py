"""A sampling profiler of a worker, from outside: a signal makes it write down where it is, as before it is ended for hanging.

Nothing of a profiler is in the worker: the handler is C code of `faulthandler` that runs between two instructions, takes no lock
and allocates nothing. What it costs the worker is in docs/analytics.md.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from appliance.foundation import clock
from appliance.foundation.stacks import Stacks, frame_name

MOST_HERTZ: Final = 50
"""Samples a second."""
_BEGINS: Final = re.compile(r"(?:Stack|Current thread [^\n]*) \(most recent call first\):\n")
_FRAME: Final = re.compile(r'  File "([^"\n]*)", line \d+ in ([^\n]+)\n')


class Worker(Protocol):
    """What is asked of a worker here."""

    @property
    def pid(self) -> int:
        """Its process number."""

    def ask_where(self) -> bool:
        """Have it write down where it is. False if it has ended, or is about to be ended."""

    def where(self) -> str:
        """What it has written since."""


async def sample(worker: Worker, seconds: float, hertz: int, sleep: Callable[[float], Any] = asyncio.sleep) -> dict[str, Any]:
    """Look for so long, or until the worker ends. As `foundation.sampling.sample`, without `overhead_s`."""
    stacks, began, used = Stacks(), clock.monotonic(), clock.cpu_seconds(worker.pid) or 0.0
    spent = used
    while clock.monotonic() - began < seconds and worker.ask_where():
        await sleep(1 / hertz)
        frames = frames_of(worker.where())
        if frames:
            stacks.add(frames)
        else:
            stacks.torn += 1
        spent = clock.cpu_seconds(worker.pid) or spent
    return stacks.document() | {"seconds": round(clock.monotonic() - began, 3), "cpu_s": round(spent - used, 3)}


def frames_of(text: str) -> list[str]:
    """A stack as `faulthandler` writes it, from the outermost frame to the innermost; empty if that is not a whole one."""
    begins = _BEGINS.match(text)
    if begins is None:
        return []
    found, at = [], begins.end()
    while frame := _FRAME.match(text, at):
        found.append(frame_name(frame[2], frame[1]))
        at = frame.end()
    return found[::-1] if at == len(text) else []

"""A sampling profiler of this process: a thread looks, so many times a second, where all others are.

Off unless somebody asks. A look costs some microseconds for each thread; between two of them the thread sleeps. Frames are read,
never their variables.
"""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import thread
from types import CodeType, FrameType
from typing import Any, Final

from appliance.foundation import clock
from appliance.foundation.stacks import DEEPEST, Stacks, frame_name

MOST_HERTZ: Final = 200
MOST_SECONDS: Final = 60
_WAITS_FOR_WORK: Final = thread._worker.__code__  # noqa: SLF001
"""Where a thread of a pool is that has nothing to do: such are left out."""


def sample(seconds: float, hertz: int, stop: threading.Event) -> dict[str, Any]:
    """Look for so long, or until `stop`. Blocks; for a thread of its own. Returns `Stacks.document()` and, of this process
    meanwhile, `cpu_s` and `overhead_s`: the CPU time that looking took."""
    stacks, names = Stacks(), dict[CodeType, str]()
    began, used, ours = clock.monotonic(), time.process_time(), time.thread_time()
    ends, number = began + seconds, 0
    while True:
        number += 1
        wait = began + number / hertz - clock.monotonic()
        if stop.wait(max(wait, 0.0)) or clock.monotonic() >= ends:
            break
        _look(stacks, names)
    return stacks.document() | {
        "seconds": round(clock.monotonic() - began, 3),
        "cpu_s": round(time.process_time() - used, 3),
        "overhead_s": round(time.thread_time() - ours, 4),
    }


def _look(stacks: Stacks, names: dict[CodeType, str]) -> None:
    me = threading.get_ident()
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  documented, and named so as a warning
        if ident != me and frame.f_code is not _WAITS_FOR_WORK:
            stacks.add(_frames(frame, names))


def _frames(frame: FrameType | None, names: dict[CodeType, str]) -> list[str]:
    """From the outermost to the innermost."""
    found: list[str] = []
    while frame is not None and len(found) < DEEPEST:
        code = frame.f_code
        name = names.get(code)
        if name is None:
            name = names[code] = frame_name(code.co_qualname, code.co_filename, code.co_firstlineno)
        found.append(name)
        frame = frame.f_back
    found.reverse()
    return found

"""Does the event loop turn while a plugin is at it? A thread beside it looks, and says where it stands when it does not."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Self

HELD_SECONDS = 1.0
"""A busy machine may keep a process waiting for tenths of one; the daemon ends a plugin's code after three."""
LOOK_EVERY = 0.05


class Turning:
    """A context beside a plugin. `held`: "FILE:LINE" where the loop stood still for HELD_SECONDS; empty when it did not."""

    def __init__(self) -> None:
        self.held = ""
        self._turned = time.monotonic()
        self._done = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._look, args=(threading.get_ident(),), daemon=True)

    async def __aenter__(self) -> Self:
        """Begin to look."""
        self._turn()
        self._thread.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop. Raises AssertionError when the loop was held up."""
        self._done.set()
        assert not self.held, f"it keeps the event loop for more than {HELD_SECONDS:g} s, at {self.held}"

    def _turn(self) -> None:
        self._turned = time.monotonic()
        if not self._done.is_set():
            self._loop.call_later(LOOK_EVERY, self._turn)

    def _look(self, thread: int) -> None:
        while not self._done.wait(LOOK_EVERY):
            if not self.held and time.monotonic() - self._turned > HELD_SECONDS:
                self.held = _place(sys._current_frames().get(thread))  # noqa: SLF001  documented, and named so as a warning


def _place(frame: FrameType | None) -> str:
    """The innermost line that is neither of Python's library nor of ours."""
    first = frame
    while frame is not None:
        file = frame.f_code.co_filename
        if "/appliance/" not in file and "/lib/python" not in file and not file.startswith("<"):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return f"{first.f_code.co_filename}:{first.f_lineno}" if first else "a place unknown"

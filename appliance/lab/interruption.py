"""Signals while a lab is prepared, before there is a loop that hears them: each ends what is being done as Ctrl-C does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a lab. All that it made is removed first."""


class Interrupted(KeyboardInterrupt):
    """A signal came."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number
        """What a shell reports for that signal."""


def not_ignored() -> list[signal.Signals]:
    """Those of SIGNALS that may end this process: nohup(1) and scripts have it ignore some."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def raised() -> Iterator[None]:
    """Within, the first signal raises Interrupted in the main thread, and further ones do nothing while that is cleaned up."""
    came = False

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal came
        if not came:
            came = True
            raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in not_ignored()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

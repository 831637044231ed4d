"""What a service manager or a terminal tells the daemon: to end, or to read its profile anew."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

STANDARD_INPUT, PIECE = 0, 4096


class Signals:
    """`stop(reason)` ends the daemon in order, `reload()` has it read its profile anew."""

    def __init__(self, stop: Callable[[str], None], reload: Callable[[], None]) -> None:
        self._stop = stop
        self._reload = reload

    def listen(self, *, attended: bool) -> None:
        """Listen to signals; `attended`: also for the end of standard input, which whoever started it holds open."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, f"signal {number.name}")
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        if attended:
            loop.add_reader(STANDARD_INPUT, self._read_input)

    def _read_input(self) -> None:
        if not os.read(STANDARD_INPUT, PIECE):
            asyncio.get_running_loop().remove_reader(STANDARD_INPUT)
            self._stop("standard input has ended")

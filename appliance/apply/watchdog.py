"""`python -m appliance.apply.watchdog DIRECTORY GENERATION SECONDS`: undo that generation unless it is confirmed in time.

Ends at once when the generation is confirmed or gone. The call returns once a child of its own is watching.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.apply.confirmation import FIFO, LOCK, clear_up
from appliance.apply.engine import awaits_confirmation, expire
from appliance.foundation.clock import since_boot
from appliance.linux.locks import try_hold

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the clock: select(2) does not count the time that the host sleeps."""


def main(arguments: list[str]) -> int:
    """Start to watch. The exit code is 1 if another watchdog does so already."""
    directory, generation, seconds = Path(arguments[0]), int(arguments[1]), float(arguments[2])
    deadline = since_boot() + seconds
    lock = try_hold(directory / LOCK)
    if lock is None:
        print("another watchdog stands watch", file=sys.stderr)  # noqa: T201 - read by the parent
        return 1
    fifo = directory / FIFO
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo, 0o600)
    bell = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    if os.fork():
        return 0
    os.close(sys.stderr.fileno())
    while awaits_confirmation(directory, generation) and (left := deadline - since_boot()) > 0:
        if select.select([bell], [], [], min(left, LOOK_EVERY))[0]:
            os.read(bell, 4096)
    if awaits_confirmation(directory, generation):
        asyncio.run(expire(directory, generation))
    clear_up(directory)
    with suppress(OSError):
        directory.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

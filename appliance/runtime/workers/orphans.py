"""The workers that a killed daemon left behind: they forward on for a while, and hold the TUN device.

`worker.json` in the state directory names them by process number and start time, because numbers are used again.
"""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Iterable
from pathlib import Path

FILE = "worker.json"
KILL_SECONDS = 5.0
"""How long a killed process may take to be gone; it takes milliseconds."""
_START_TIME_FIELD = 22
"""proc(5): starttime in /proc/PID/stat, in clock ticks since boot."""


def remember(directory: Path, pids: Iterable[int]) -> None:
    """Write down which processes are the workers."""
    noted = [{"pid": pid, "start_time": started} for pid in pids if (started := start_time(pid)) is not None]
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)  # gone with its last file where nothing had to be changed
    (directory / FILE).write_text(json.dumps(noted), encoding="ascii")


def forget(directory: Path) -> None:
    """The workers have ended in order."""
    (directory / FILE).unlink(missing_ok=True)


def kill_left_behind(directory: Path) -> list[int]:
    """Kill the workers of a daemon that is gone and wait for their end. Returns their process numbers.

    Raises TimeoutError when one does not go.
    """
    try:
        noted = json.loads((directory / FILE).read_text(encoding="ascii"))
        left = [(int(worker["pid"]), int(worker["start_time"])) for worker in noted]
    except (OSError, ValueError, KeyError, TypeError):
        left = []
    killed = [pid for pid, started in left if _kill(pid, started)]
    forget(directory)
    return killed


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # the command's name in parentheses may hold blanks and parentheses itself
    return int(stat.rpartition(")")[2].split()[_START_TIME_FIELD - 3])


def _kill(pid: int, started: int) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if start_time(pid) != started:  # read after the handle exists: from here on the number is this process's
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        gone = select.poll()
        gone.register(handle, select.POLLIN)
        if not gone.poll(KILL_SECONDS * 1000):
            raise TimeoutError(f"process {pid}, the worker of an earlier daemon, does not end")
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True

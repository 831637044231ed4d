"""The worker that a killed daemon left behind: it forwards on for a while, and holds the TUN device.

`worker.json` in the state directory names it by process number and start time, because numbers are used again.
"""

from __future__ import annotations

import json
import os
import select
import signal
from pathlib import Path

FILE = "worker.json"
KILL_SECONDS = 5.0
"""How long a killed process may take to be gone; it takes milliseconds."""
_START_TIME_FIELD = 22
"""proc(5): starttime in /proc/PID/stat, in clock ticks since boot."""


def remember(directory: Path, pid: int) -> None:
    """Write down which process is the worker."""
    started = start_time(pid)
    if started is not None:
        (directory / FILE).write_text(json.dumps({"pid": pid, "start_time": started}), encoding="ascii")


def forget(directory: Path) -> None:
    """The worker has ended in order."""
    (directory / FILE).unlink(missing_ok=True)


def kill_left_behind(directory: Path) -> int:
    """Kill the worker of a daemon that is gone and wait for its end. Returns its process number, 0 when there was none.

    Raises TimeoutError when it does not go.
    """
    try:
        noted = json.loads((directory / FILE).read_text(encoding="ascii"))
        pid, started = int(noted["pid"]), int(noted["start_time"])
    except (OSError, ValueError, KeyError, TypeError):
        forget(directory)
        return 0
    killed = pid if _kill(pid, started) else 0
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

"""Processes of this machine, chosen by what /proc says about them."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from appliance.errors import HostError

Wanted = Callable[[Path], bool]
"""Decides about a process by its directory below /proc. An OSError means no."""
END_SECONDS: Final = 5.0
"""How long a killed process may take to be gone. It takes milliseconds."""
MOST_ROUNDS: Final = 5
"""How often we look: a process that was forked while we looked is found in the next round."""


def find(wanted: Wanted) -> list[int]:
    """The numbers of the processes that are wanted, without our own and those we may not look at."""
    numbered = (entry for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [int(entry.name) for entry in numbered if int(entry.name) != os.getpid() and _is(wanted, entry)]


def kill_all(wanted: Wanted) -> None:
    """Kill every such process, and wait until it is gone. Raises HostError if one does not end."""
    for _ in range(MOST_ROUNDS):
        pids = find(wanted)
        if not pids:
            return
        for pid in pids:
            _kill(pid, wanted)
    raise HostError(f"processes do not end: {', '.join(map(str, find(wanted)))}")


def with_variable(part: str) -> Wanted:
    """Processes that have this text somewhere in their environment."""
    needle = part.encode()
    return lambda entry: needle in (entry / "environ").read_bytes()


def _kill(pid: int, wanted: Wanted) -> None:
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _is(wanted, Path(f"/proc/{pid}")):  # read after the handle exists: from here on the number is this process's
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            end = select.poll()
            end.register(handle, select.POLLIN)
            end.poll(END_SECONDS * 1000)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _is(wanted: Wanted, entry: Path) -> bool:
    try:
        return wanted(entry)
    except OSError:
        return False

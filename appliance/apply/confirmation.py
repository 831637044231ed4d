"""Waking and knowing the watchdog that undoes an apply which nobody confirms.

It is a process of its own, in a session of its own, so that it survives a lost login and a killed command. As long as it lives it
holds `watchdog.lock`, and it sleeps on the FIFO `confirm`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from appliance.errors import HostError
from appliance.foundation import interpreter
from appliance.linux.locks import try_hold

LOCK = "watchdog.lock"
FIFO = "confirm"
START_WITHIN = 60.0
"""Seconds for it to start: one on a usual machine, half a minute seen on an emulated one with others beside it."""


async def start_watchdog(directory: Path, generation: int, seconds: float) -> None:
    """Start it, and return once it is watching. Raises HostError if it does not start."""
    command = interpreter.command("appliance.apply.watchdog", str(directory), str(generation), str(seconds))
    try:
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            timeout=START_WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"the watchdog of --confirm-within could not be started: {error}") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise HostError(f"the watchdog of --confirm-within could not be started: {words[-1] if words else done.returncode}")


def is_watched(directory: Path) -> bool:
    """Does a watchdog live?"""
    fd = try_hold(directory / LOCK)
    if fd is None:
        return True
    os.close(fd)
    return False


def clear_up(directory: Path) -> None:
    """Remove the watchdog's files. For the watchdog itself, and if none lives."""
    for name in (FIFO, LOCK):
        (directory / name).unlink(missing_ok=True)


def wake_watchdog(directory: Path) -> None:
    """Let it look at the journal again. Nothing happens if there is none."""
    try:
        fd = os.open(directory / FIFO, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, b".")
    finally:
        os.close(fd)

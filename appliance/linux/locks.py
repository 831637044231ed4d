"""Whoever changes the host holds a lock file, so that two commands never do so at once. The lock ends with the process that holds
it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from appliance.errors import ExitCode, HostError
from appliance.linux.refusals import refused

RETRY_EVERY = 0.05
"""Seconds between two attempts. flock can wait by itself, but not so that a cancelled task could stop waiting."""


class Busy(HostError):
    """Somebody else is changing this host."""

    exit_code = ExitCode.RETRY
    retryable = True


@asynccontextmanager
async def hold(path: Path, *, patience: float) -> AsyncIterator[None]:
    """Hold the lock file `path`. It and its directory (mode 0700) are made if they are missing, and the holder may remove both.

    Raises Busy if it is not free within `patience` seconds, HostError if the directory is not ours.
    """
    try:
        async with asyncio.timeout(patience):
            while (fd := _attempt(path)) is None:  # noqa: ASYNC110 - flock has no event to wait for
                await asyncio.sleep(RETRY_EVERY)
    except TimeoutError:
        raise Busy("another appliance command is changing this host", hint="wait until it has ended and try again") from None
    # Programs started with close_fds=False keep the lock: what a killed command has set going must end before the next begins.
    os.set_inheritable(fd, True)  # noqa: FBT003
    try:
        yield
    finally:
        os.close(fd)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which nobody removes, for a deed of milliseconds; waits for whoever has it. It is made if it is
    missing, its directory is not. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def try_hold(path: Path) -> int | None:
    """Take the lock for the life of this process and its forks: a descriptor. None if somebody else has it."""
    return _attempt(path)


def share(path: Path) -> int | None:
    """Take the lock together with others who share it: a descriptor. None if somebody has it alone."""
    return _attempt(path, fcntl.LOCK_SH)


def _attempt(path: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None  # its last holder has just removed the directory
    except OSError as error:
        raise refused(error.errno, f"opening {path}") from error
    if os.fstat(fd).st_uid != os.geteuid():
        os.close(fd)
        raise HostError(f"{path} belongs to another user", hint="remove it, or set APPLIANCE_STATE_DIR")
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
        # A lock on a file that its last holder has removed protects nothing.
        if os.fstat(fd).st_ino == path.stat().st_ino:
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(fd)
    return None

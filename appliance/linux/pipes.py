"""Pipes that hold more than usual."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress


def large_pipe(size: int) -> tuple[int, int]:
    """A pipe's reading and writing end, neither of which waits, with room for `size` bytes if this user may have so much
    (pipe(7), pipe-user-pages-soft). Raises OSError."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    with suppress(OSError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, size)
    return reading, writing

"""How soon the kernel lets a process run that woke up.

By ctypes, because the standard library has neither sched_setattr(2) nor sched_getattr(2).
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

CALLS: Final = {"x86_64": (314, 315), "aarch64": (274, 275), "riscv64": (274, 275), "ppc64le": (355, 356), "s390x": (345, 346)}
"""Numbers of sched_setattr and sched_getattr (the kernel's syscall tables), by `uname -m`."""
ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")
"""struct sched_attr, first version: size, policy, flags, nice, priority, runtime, deadline, period (sched_setattr(2))."""
SHORT_SLICE: Final = 100_000
"""Nanoseconds: the least that the scheduler grants. Its own choice is a few milliseconds."""
USUAL: Final = 0
"""The scheduler's own choice."""


def ask_for_slices(nanoseconds: int) -> bool:
    """Ask for time on a busy CPU in portions of this length. With short portions this process gets no more time, but gets it
    sooner after it woke up.

    Needs no privilege. False if the kernel cannot do that (before 6.12, EEVDF) or the machine is not known: nothing changes.
    """
    call = CALLS.get(os.uname().machine)
    if call is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wish = ATTRIBUTES.pack(ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, nanoseconds, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(call[0], 0, ctypes.c_char_p(wish), 0) == 0 and nanoseconds in (USUAL, slice_of(0))


def slice_of(pid: int) -> int:
    """The length in nanoseconds for process `pid` (0: this one); 0 if that is not known. Raises ProcessLookupError or
    PermissionError."""
    call = CALLS.get(os.uname().machine)
    if call is None:
        return 0
    room = ctypes.create_string_buffer(ATTRIBUTES.size)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(call[1], pid, room, ATTRIBUTES.size, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(ATTRIBUTES.unpack(room.raw)[5])

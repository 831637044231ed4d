"""What the kernel still lets a process do: a list of system calls, checked by a classic BPF program (seccomp(2)).

By ctypes, because the standard library has no seccomp. A call that is not listed fails with EPERM, and the kernel's log names
it; one of a foreign ABI ends the process.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
SECCOMP_SET_MODE_FILTER: Final = 1
SECCOMP_FILTER_FLAG_LOG: Final = 2
ALLOW, KILL_PROCESS, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | 1
"""SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, and SECCOMP_RET_ERRNO with EPERM."""
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
"""BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JGE | BPF_K, BPF_RET | BPF_K (linux/filter.h)."""
NUMBER_AT, ARCHITECTURE_AT = 0, 4
"""Where struct seccomp_data has them."""
X32: Final = 0x40000000
"""Numbers from here on belong to the other ABI of x86-64."""
_INSTRUCTION: Final = struct.Struct("=HBBI")


class Machine(NamedTuple):
    """A kind of machine."""

    audit: int
    """Its AUDIT_ARCH (linux/audit.h)."""
    seccomp: int
    """The number of seccomp(2)."""
    column: int
    """Its place in CALLS."""


MACHINES: Final = {"x86_64": Machine(0xC000003E, 317, 0), "aarch64": Machine(0xC00000B7, 277, 1)}
CALLS: Final[dict[str, tuple[int | None, int | None]]] = {
    # what moves packets, first: old kernels ask the list for each call, from its beginning
    "epoll_wait": (232, None), "epoll_pwait": (281, 22), "readv": (19, 65), "writev": (20, 66), "recvmsg": (47, 212),
    "sendmsg": (46, 211), "recvfrom": (45, 207), "sendto": (44, 206), "recvmmsg": (299, 243), "sendmmsg": (307, 269),
    "read": (0, 63), "write": (1, 64), "epoll_ctl": (233, 21), "epoll_pwait2": (441, 441),
    # sockets and descriptors it was given
    "close": (3, 57), "dup": (32, 23), "dup3": (292, 24), "fcntl": (72, 25), "ioctl": (16, 29), "poll": (7, None),
    "ppoll": (271, 73),
    "getsockname": (51, 204), "getpeername": (52, 205), "getsockopt": (55, 209), "setsockopt": (54, 208), "shutdown": (48, 210),
    "fstat": (5, 80), "newfstatat": (262, 79), "lseek": (8, 62),
    # memory
    "brk": (12, 214), "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226), "madvise": (28, 233),
    # time, its own processor share, signals to itself, its end
    "clock_gettime": (228, 113), "clock_nanosleep": (230, 115), "gettimeofday": (96, 169), "nanosleep": (35, 101),
    "sched_yield": (24, 124), "sched_setattr": (314, 274), "sched_getattr": (315, 275), "getpriority": (140, 141),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "futex": (202, 98), "getrandom": (318, 278), "getpid": (39, 172), "gettid": (186, 178), "getrusage": (98, 165),
    "uname": (63, 160), "restart_syscall": (219, 128), "rseq": (334, 293), "membarrier": (324, 283),
    "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
"""What the worker may call once it runs, with the numbers on x86-64 and on arm64. No call opens a file, makes a socket or a
process, or reaches another process."""


def restrict() -> bool:
    """Let this process call nothing but CALLS. It must have given up gaining privileges (PR_SET_NO_NEW_PRIVS). This cannot be
    taken back.

    False if this kernel or this kind of machine has no such filter, or is not known here: nothing changes.
    """
    machine = MACHINES.get(os.uname().machine)
    if machine is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    numbers = [number for columns in CALLS.values() if (number := columns[machine.column]) is not None]
    code = program(machine.audit, numbers)
    room = ctypes.create_string_buffer(code, len(code))
    filter_ = struct.pack("HxxxxxxQ", len(code) // _INSTRUCTION.size, ctypes.addressof(room))  # struct sock_fprog
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(machine.seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, filter_) == 0:
        return True
    return bool(
        libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0) == 0
    )  # a sandbox may know this way alone, unlogged


def program(audit: int, numbers: Sequence[int]) -> bytes:
    """The filter: it ends a process that uses a foreign ABI, allows `numbers` (at most 250), and refuses the rest."""
    rest = len(numbers)
    code = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 1, 0, audit),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_AT_LEAST, rest, 0, X32),
        *((JUMP_EQUAL, rest - at, 0, number) for at, number in enumerate(numbers)),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in code)

"""Giving up for good what a process no longer needs.

By ctypes, because the standard library has neither capset(2) nor prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import pwd
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

PR_SET_NO_NEW_PRIVS: Final = 38
PR_SET_DUMPABLE: Final = 4
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAPABILITY_VERSION_3: Final = 0x20080522
NOBODY: Final = 65534
"""The overflow user, which owns nothing (Debian's nobody and nogroup)."""
OWN_USER: Final = "appliance"
"""The user that the Debian package makes. A worker that runs as nobody shares its user with other programs, which could stop
it."""
API_USER: Final = "appliance-api"
"""The user that the Debian package makes for the API server, which keeps secrets of its own from the workers."""
SYSTEM_USERS: Final = range(1, 1000)
"""Numbers of users that are not persons (Debian policy, 9.2.2): a person with that name is not meant."""


def drop_all(user: str = OWN_USER) -> None:
    """Become `user`, or one who owns nothing if there is no such system user, without capabilities, and unable to gain any by
    exec. This cannot be taken back.

    If the user namespace has no such user (an unprivileged one has only root), the capabilities are given up all the same. Raises
    OSError if the kernel leaves one.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        _become(*ids(user))
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset: the capabilities could not be dropped")
    for option, value in ((PR_SET_NO_NEW_PRIVS, 1), (PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl({option}): gaining privileges could not be given up")


@contextmanager
def acting_as(user: int, group: int) -> Iterator[None]:
    """Root does something as another user: files are made, found and refused as theirs. Raises OSError.

    It is so for the whole process: no other thread may count on being root meanwhile.
    """
    groups, before = os.getgroups(), (os.getegid(), os.geteuid())
    os.setgroups([group])
    os.setegid(group)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(before[1])
        os.setegid(before[0])
        os.setgroups(groups)


def keep_capabilities(kept: Collection[int], passed_on: Collection[int] = ()) -> None:
    """The calling thread has these capabilities (numbers below 32) and no others; programs that it starts have those that are
    `passed_on`. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    own, inherited = (sum(1 << each for each in some) for some in (kept, passed_on))
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)(own, own, inherited)):
        raise OSError(ctypes.get_errno(), "capset: the capabilities could not be limited")
    for capability in passed_on:
        if libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl: capability {capability} could not be passed on")


def hide_memory() -> None:
    """Do not let other unprivileged processes read the memory of this one, nor the kernel write it to a core file."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def ids(user: str) -> tuple[int, int]:
    """User and group of a process that gave up its privileges."""
    try:
        own = pwd.getpwnam(user)
    except KeyError:
        return NOBODY, NOBODY
    return (own.pw_uid, own.pw_gid) if own.pw_uid in SYSTEM_USERS else (NOBODY, NOBODY)


def _become(user: int, group: int) -> None:
    try:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    except OSError:
        return

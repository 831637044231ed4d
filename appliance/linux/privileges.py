"""Giving up what a process no longer needs, for good.

By ctypes, because the standard library has neither capset(2) nor prctl(2).
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

PR_SET_NO_NEW_PRIVS: Final = 38
PR_SET_DUMPABLE: Final = 4
CAPABILITY_VERSION_3: Final = 0x20080522
NOBODY: Final = 65534
"""The overflow user, which owns nothing (Debian's nobody and nogroup)."""


def drop_all() -> None:
    """Become nobody without capabilities, unable to gain any by exec. Irreversible.

    Where the user namespace has no such user (an unprivileged one maps only root), the capabilities go all the same. Raises
    OSError when the kernel leaves a capability behind.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        _become_nobody()
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset: the worker could not drop its capabilities")
    for option, value in ((PR_SET_NO_NEW_PRIVS, 1), (PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl({option}): the worker could not give up gaining privileges")


def _become_nobody() -> None:
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return

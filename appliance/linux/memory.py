"""Giving memory back to the kernel that the C library keeps for later."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """After a phase that used much: malloc_trim(3). Nothing happens where the C library has no such call (musl)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

"""What the C library does with memory that was freed: gives it back to the kernel, or keeps it for later."""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
"""malloc.h"""


def give_back() -> None:
    """After a phase that used much: malloc_trim(3). Nothing happens where the C library has no such call (musl)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep(free_bytes: int) -> None:
    """Keep up to so much freed memory, for code that takes and frees the same again and again: the kernel would clear the same
    pages each time (mallopt(3); nothing happens on musl)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, free_bytes)
        mallopt(M_MMAP_THRESHOLD, free_bytes)

"""What becomes of freed memory: who looks for it, and whether the C library gives it back to the kernel or keeps it."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def growing() -> Iterator[None]:
    """What is made in here is there to stay: nobody looks for garbage in it, which would be two fifths of the work of reading
    thousands of peers."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()

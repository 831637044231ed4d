"""What happens to freed memory: whether Python looks for it, and whether the C library gives it back to the kernel or keeps
it."""

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
    """Give freed memory back to the kernel, after a phase that used much of it: malloc_trim(3). Nothing happens on musl, which
    has no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep(free_bytes: int) -> None:
    """Keep up to so many bytes of freed memory, for code that takes and frees the same amount again and again: otherwise the
    kernel clears the pages each time. mallopt(3); nothing happens on musl."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, free_bytes)
        mallopt(M_MMAP_THRESHOLD, free_bytes)


def map_apart(above_bytes: int) -> None:
    """Have the kernel map larger blocks one by one, so that they go back to it when they are freed; otherwise the C library keeps
    the size of the largest one for the next. mallopt(3); nothing happens on musl."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, above_bytes)


@contextmanager
def growing() -> Iterator[None]:
    """In this context Python does not look for garbage, because what is made here will stay. Of reading thousands of peers,
    looking would be two fifths of the work."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()

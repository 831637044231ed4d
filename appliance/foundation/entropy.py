"""The only place that reads randomness. Everything pure takes an `entropy` function as an argument."""

from __future__ import annotations

import os


def random_bytes(count: int) -> bytes:
    """`count` bytes from the kernel, fit for keys."""
    return os.urandom(count)


def jitter() -> float:
    """A random number in [0, 1), for spreading timers. Not for keys."""
    return int.from_bytes(os.urandom(7), "big") / (1 << 56)

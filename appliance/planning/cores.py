"""How many workers a node has."""

from __future__ import annotations

from typing import Final, Literal

FEWEST: Final = 4
"""With fewer usable cores `auto` means one worker: the control process, the kernel and the programs whose traffic it is need
cores too."""
MOST: Final = 4
"""The most workers that `auto` means: each costs 25 MB."""


def workers(wanted: int | Literal["auto"], cores: int) -> int:
    """How many workers `network.workers` means on a host where this process may use so many cores."""
    if wanted != "auto":
        return wanted
    return 1 if cores < FEWEST else min(MOST, cores // 2)

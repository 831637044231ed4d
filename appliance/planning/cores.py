"""How many workers a node has."""

from __future__ import annotations

from typing import Final, Literal

FEWEST: Final = 4
"""Usable cores from which on `auto` means more than one worker: the control process, the programs whose traffic it is and the
kernel's own work need cores as well."""
MOST: Final = 4
"""The most that `auto` takes: each worker costs 25 MB."""


def workers(wanted: int | Literal["auto"], cores: int) -> int:
    """The number of workers for a profile's `network.workers` on a host where this process may use so many cores."""
    if wanted != "auto":
        return wanted
    return 1 if cores < FEWEST else min(MOST, cores // 2)

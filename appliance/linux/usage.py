"""What a process uses of this host, and what room a disk has: one look at /proc each, nothing when nobody asks."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Usage(NamedTuple):
    """One process."""

    memory: int
    """Resident bytes."""
    descriptors: int | None
    """Open ones; None where this process may not know."""
    most_descriptors: int | None
    """As many as it may have open; None where this process may not know."""


class Room(NamedTuple):
    """A disk."""

    total: int
    free: int
    """Bytes, those for root alone left out."""


def usage(pid: int, proc: Path = PROC) -> Usage | None:
    """What a process uses; None if there is no such process, or /proc is hidden."""
    try:
        pages = int((proc / str(pid) / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return Usage(pages * os.sysconf("SC_PAGE_SIZE"), _descriptors(proc / str(pid) / "fd"), _most_descriptors(pid))


def room(folder: Path) -> Room | None:
    """The disk that a folder is on; None if that cannot be found out."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return Room(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


def _descriptors(folder: Path) -> int | None:
    """Since Linux 6.2 the folder's size is their number (proc(5)); before, they have to be listed, which only few may."""
    try:
        return folder.stat().st_size or sum(1 for _ in folder.iterdir())
    except OSError:
        return None


def _most_descriptors(pid: int) -> int | None:
    try:
        return resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
    except OSError:
        return None

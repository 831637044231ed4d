"""How short this host and this process are of memory, processors, descriptors and disk: a few small files of the kernel's, read
when somebody asks. Whatever is not there says nothing.

PSI is Documentation/accounting/psi.rst; control groups are Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from appliance.linux import usage
from appliance.protocol.pressure import Left, Readings

PROC: Final = Path("/proc")
CGROUPS: Final = Path("/sys/fs/cgroup")
UNLIMITED: Final = 1 << 60
"""Bytes: version 1 says a number beyond that where there is no limit."""
_AVERAGE: Final = re.compile(r"avg10=([0-9.]+)")


class _Names(NamedTuple):
    """The files of one version of control groups."""

    most: str
    used: str
    files: tuple[str, ...]
    """Lines of memory.stat."""


_V2: Final = _Names("memory.max", "memory.current", ("inactive_file", "active_file"))
_V1: Final = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))


class HostReader:
    """Of this process. `folder`: whose disk counts; None: no disk does."""

    def __init__(self, folder: Path | None = None, proc: Path = PROC, cgroups: Path = CGROUPS) -> None:
        self._folder = folder
        self._proc = proc
        self._groups = list(_groups(proc, cgroups))

    def read(self) -> Readings:
        """Now, without `late`. Never raises."""
        process = usage.usage(os.getpid(), self._proc)
        spare = None
        if process is not None and process.descriptors is not None and process.most_descriptors is not None:
            spare = Left(process.most_descriptors - process.descriptors, process.most_descriptors)
        room = None if self._folder is None else usage.room(self._folder)
        return Readings(
            cpu=self._stalled("cpu", "some"),
            memory=self._memory(),
            stalled=self._stalled("memory", "full"),
            descriptors=spare,
            disk=None if room is None else Left(room.free, room.total),
        )

    def _stalled(self, what: str, kind: str) -> float | None:
        """Percent of the last ten seconds, in which some task of the host waited, or all of the group of this process."""
        found = [_stalled(self._proc / "pressure" / what, kind)]
        if self._groups:
            found.append(_stalled(self._groups[0][0] / f"{what}.pressure", "full"))
        return max((each for each in found if each is not None), default=None)

    def _memory(self) -> Left | None:
        """What the host has, or a group of this process leaves, if that is less."""
        known = [_available(self._proc / "meminfo"), *(_left(group, names) for group, names in self._groups)]
        return min((each for each in known if each is not None), default=None)


def _groups(proc: Path, cgroups: Path) -> Iterator[tuple[Path, _Names]]:
    """The control groups that this process is in and that limit memory, its own first."""
    for line in _text(proc / "self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not controllers:
            root, names = cgroups / "unified" if (cgroups / "unified").is_dir() else cgroups, _V2
        elif "memory" in controllers.split(","):
            root, names = cgroups / "memory", _V1
        else:
            continue
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            if (folder / names.most).exists():
                yield folder, names
            if folder == root:
                break


def _left(group: Path, names: _Names) -> Left | None:
    """Files that are in memory would make room."""
    try:
        most = int(_text(group / names.most))  # "max" is no number
        used = int(_text(group / names.used))
    except ValueError:
        return None
    files = sum(_line(group / "memory.stat", name) for name in names.files)
    return None if most >= UNLIMITED else Left(max(most - used + files, 0), most)


def _available(meminfo: Path) -> Left | None:
    total = _line(meminfo, "MemTotal:") * 1024
    return Left(_line(meminfo, "MemAvailable:") * 1024, total) if total else None


def _line(file: Path, name: str) -> int:
    """The number behind a name; 0 where there is none."""
    for line in _text(file).splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == name and words[1].isdecimal():
            return int(words[1])
    return 0


def _stalled(file: Path, kind: str) -> float | None:
    """Percent of the last ten seconds."""
    for line in _text(file).splitlines():
        if line.startswith(kind) and (found := _AVERAGE.search(line)):
            return float(found[1])
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, ValueError):
        return ""

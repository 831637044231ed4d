"""The folder of a node's audit log, as anybody may read it who may read the files.

NODE.audit/00000001.audit …    the segments (`management.audit.chain`)
NODE.audit/lock                held by the node that writes
NODE.audit/head.json           the newest head that this node has signed
NODE.audit/heads/              heads of other nodes (`kept_heads`)
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import places

SUFFIX: Final = ".audit"
LOCK: Final = "lock"
HEAD: Final = "head.json"
HEADS: Final = "heads"
NAME: Final = re.compile(r"(\d{8,18})\.audit")
MOST_BYTES: Final = 256 << 20
"""Of a segment that is read as a whole; those that a node writes have 64 MiB at most."""


class NoAuditLog(ApplianceError):
    """There is no audit log, or it is not said which."""

    exit_code = ExitCode.INVALID


class SegmentFile(NamedTuple):
    """A segment, by its file."""

    number: int
    path: Path

    def read(self) -> bytes:
        """All that is in it. Raises OSError."""
        if not stat.S_ISREG(self.path.lstat().st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(self.path))
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            if os.fstat(fd).st_size > MOST_BYTES:
                raise OSError(errno.EFBIG, "it is too large", str(self.path))
            return file.read()


def segment_path(folder: Path, number: int) -> Path:
    """Where that segment is."""
    return folder / f"{number:08d}{SUFFIX}"


def segments(folder: Path) -> list[SegmentFile]:
    """Those that are there, in order. Raises OSError."""
    found = ((NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted(SegmentFile(int(name[1]), path) for name, path in found if name is not None)


def with_texts(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The name of each segment's file and what is in it, in order. One that retention removes meanwhile is left out. Raises
    OSError."""
    for segment in segments(folder):
        try:
            yield segment.path.name, segment.read()
        except FileNotFoundError:
            continue


def only_folder(given: str | None) -> Path:
    """The folder that was named, or the only one of this host. Raises NoAuditLog."""
    if given:
        if not Path(given).is_dir():
            raise NoAuditLog(f"{given} is no folder of an audit log", hint="it is a folder with files like 00000001.audit")
        return Path(given)
    kept = places.kept_dir()
    found = sorted(path for path in kept.glob(f"*{SUFFIX}") if path.is_dir())
    if len(found) == 1:
        return found[0]
    if not found:
        raise NoAuditLog(
            f"there is no audit log in {kept}",
            hint="a node keeps one if its profile has `audit: {}`; name the folder of another with --folder",
        )
    names = ", ".join(str(path) for path in found)
    raise NoAuditLog(f"there are several audit logs: {names}", hint="say which: --folder PATH")

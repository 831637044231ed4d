"""Files that are there as a whole or not at all, whatever happens meanwhile: a crash, a kill, a full disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PART: Final = ".part"
"""The end of the name of a file that is being written."""


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write `path`, or put other content in its place, on the disk when this returns. Raises OSError; all is as before then."""
    part = path.with_name(path.name + PART)
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)
            file.write(data)
            file.flush()
            os.fsync(fd)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """What came into a folder, or left it, is on the disk when this returns. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

"""A folder below which a stranger names files: every step goes through a descriptor of the folder before, never through a link.

So nobody who puts a link into a place leads a file out of the folder, at no moment.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections import OrderedDict
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from appliance.files.errors import Unwilling
from appliance.transfer.faults import Reason

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MOST_OPEN: Final = 16
"""Folders that stay open, since the next file is mostly in the same."""
_RENAME_NOREPLACE: Final = 1
_WITHOUT: Final = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""How file systems say that they cannot rename without replacing."""


class Folders:
    """The folder, and those below it. Paths are judged already (`transfer.manifest.judge_path`)."""

    def __init__(self, root: Path) -> None:
        """Raises OSError, also where the root itself is a link. What it lies in may be reached over links: its owner named it."""
        self._open: OrderedDict[bytes, int] = OrderedDict()
        self._unsynced: set[bytes] = set()
        self._root = os.open(root, FOLDER)

    def close(self) -> None:
        """Give the descriptors up."""
        for fd in [*self._open.values(), self._root]:
            os.close(fd)
        self._open.clear()

    def find(self, path: bytes) -> os.stat_result | None:
        """What is there now, a link as such; None if nothing is. Raises Unwilling if it would be below something that is no
        folder."""
        folder, _, name = path.rpartition(b"/")
        try:
            return os.stat(name, dir_fd=self.enter(folder, make=False), follow_symlinks=False)
        except FileNotFoundError:
            return None

    def enter(self, path: bytes, *, make: bool = True) -> int:
        """The descriptor of a folder below, for the next step only; made if it is missing. Raises Unwilling, OSError."""
        if not path:
            return self._root
        if (known := self._open.get(path)) is not None:
            self._open.move_to_end(path)
            return known
        above, _, name = path.rpartition(b"/")
        parent = self.enter(above, make=make)
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=parent)
                self._unsynced.add(above)
        try:
            fd = os.open(name, FOLDER, dir_fd=parent)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise Unwilling(Reason.EXISTS, f"{os.fsdecode(path)!r} is there, and no folder") from error
            raise
        self._open[path] = fd
        if len(self._open) > MOST_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def place(self, source: int, name: str, path: bytes, *, overwrite: bool) -> os.stat_result:
        """Give the file `name` of the folder `source` its path; what it is now. Raises Unwilling, OSError."""
        folder, _, last = path.rpartition(b"/")
        target = self.enter(folder)
        try:
            if overwrite:
                os.rename(name, last, src_dir_fd=source, dst_dir_fd=target)
            else:
                rename_new(source, name, target, last)
        except (FileExistsError, IsADirectoryError) as error:
            raise already_there(path) from error
        self._unsynced.add(folder)
        return os.stat(last, dir_fd=target, follow_symlinks=False)

    def sync(self) -> None:
        """Every name that was given is on the disk when this returns. Raises Unwilling, OSError."""
        while self._unsynced:
            folder = next(iter(self._unsynced))
            os.fsync(self.enter(folder))
            self._unsynced.discard(folder)


def already_there(path: bytes) -> Unwilling:
    """Something else has the name."""
    return Unwilling(Reason.EXISTS, f"{os.fsdecode(path)!r} is already there")


def rename_new(source: int, name: str, target: int, new_name: bytes) -> None:
    """Rename, unless the new name is taken: FileExistsError then."""
    if _renameat2()(source, os.fsencode(name), target, new_name, _RENAME_NOREPLACE) == 0:
        return
    number = ctypes.get_errno()
    if number not in _WITHOUT:
        raise OSError(number, os.strerror(number))
    os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    os.unlink(name, dir_fd=source)


def is_file(found: os.stat_result) -> bool:
    """Is it a regular file?"""
    return stat.S_ISREG(found.st_mode)


@cache
def _renameat2() -> ctypes._NamedFuncPointer:
    function = ctypes.CDLL(None, use_errno=True).renameat2
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function

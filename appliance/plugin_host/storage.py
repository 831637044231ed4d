"""The folder of one plugin (api.storage.Storage)."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Final
from urllib.parse import quote

from appliance.foundation.whole_files import PART, sync_folder, write_whole

MOST_BYTES: Final = 16 << 20
"""Of one file that is read and written as a whole: it is in memory meanwhile."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class KeptFolder:
    """Below `folder`, which is the node's; None: the node keeps nothing. The plugin's own is made when it is first asked for."""

    def __init__(self, folder: Path | None, plugin: str) -> None:
        self._path = None if folder is None else folder / _file_name(plugin)

    @property
    def path(self) -> Path:
        """The folder; see the protocol."""
        if self._path is None:
            raise OSError(errno.EROFS, "this node keeps nothing")
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.mkdir(mode=0o700, exist_ok=True)
            found = self._path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(errno.EPERM, "no folder of this node's user alone", str(self._path))
        return self._path

    def read(self, name: str) -> bytes | None:
        """See the protocol."""
        try:
            fd = os.open(self._file(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        with os.fdopen(fd, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        _refuse_large(data, name)
        return data

    def write(self, name: str, data: bytes) -> None:
        """See the protocol."""
        path = self._file(name)
        _refuse_large(data, name)
        write_whole(path, data)

    def remove(self, name: str) -> None:
        """See the protocol."""
        path = self._file(name)
        path.unlink(missing_ok=True)
        sync_folder(path.parent)

    def _file(self, name: str) -> Path:
        if not NAME.fullmatch(name) or name.endswith(PART):
            raise ValueError(f"{name!r} is no name for what is kept")
        return self.path / name


def kept_by(plugin: str, kept: Path) -> list[Path]:
    """The folders of a plugin of all nodes of this host; `kept` is that of what outlives a reboot (`places.kept_dir`)."""
    return sorted(folder for nodes in ("*.plugins", "@*/*.plugins") for folder in kept.glob(f"{nodes}/{_file_name(plugin)}"))


def _file_name(plugin: str) -> str:
    return quote(plugin, safe="").replace(".", "%2E")


def _refuse_large(data: bytes, name: str) -> None:
    if len(data) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"more than {MOST_BYTES >> 20} MiB", name)

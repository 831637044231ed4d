"""The folder of a store in SQLite: which files there are, who may write, and how one file takes another's place.

store.sqlite (-wal, -shm)   the store
good.sqlite                 its last good copy
key-ID                      a key file that the appliance made
before-restore.sqlite (-2)  what was the store before a backup took its place, each time
broken.sqlite (-wal)        a damaged one, in whose place the copy came; for whoever wants to look at it
lock                        held by the process that may write
*.part                      a file that is being made
"""

from __future__ import annotations

import itertools
import os
from contextlib import suppress
from pathlib import Path

from appliance.api.stores import StoreInUse
from appliance.errors import HostError
from appliance.foundation.whole_files import PART, sync_folder
from appliance.linux import locks
from appliance.store.sqlite_errors import not_writable

WAL, SHM = "-wal", "-shm"


class Folder:
    """A folder of one store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.main = path / "store.sqlite"
        self.good = path / "good.sqlite"
        self.broken = path / "broken.sqlite"

    def lock(self) -> int:
        """Make the folder if it is missing, and hold its lock: a descriptor. Raises StoreInUse, StoreBroken."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise not_writable(self.path, (error.strerror or str(error)).lower()) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise not_writable(self.path, "the folder is read-only")
        try:
            descriptor = locks.try_hold(self.path / "lock")
        except HostError as error:
            raise not_writable(self.path, error.message) from error
        if descriptor is None:
            raise StoreInUse(
                f"another process uses the store {self.path}", hint="stop it first: it is the API server, or a command"
            )
        return descriptor

    def new_before(self) -> Path:
        """A name for what was the store before a backup takes its place: nothing has it yet."""
        names = (self.path / f"before-restore{'' if n == 1 else f'-{n}'}.sqlite" for n in itertools.count(1))
        return next(name for name in names if not name.exists())

    def remove_parts(self) -> None:
        """What an earlier process could not finish goes."""
        for part in self.path.glob(f"*{PART}"):
            part.unlink(missing_ok=True)

    def part(self, of: Path) -> Path:
        """A new empty file that only this user can read, to become `of`."""
        part = of.with_name(of.name + PART)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        return part

    def make_main(self) -> None:
        """An empty file where there is none."""
        with suppress(FileExistsError):
            os.close(os.open(self.main, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            sync_folder(self.path)

    def replace_main(self, part: Path, old: Path) -> None:
        """`part`, which is on the disk, becomes the store; what was the store becomes `old`. Nobody has it open.

        The write-ahead log goes with the file that it belongs to, before another one has its name.
        """
        main, name = self.main, str(self.main)
        old_log = old.with_name(old.name + WAL)
        old_log.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            Path(name + WAL).replace(old_log)
        Path(name + SHM).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            main.replace(old)
        part.replace(main)
        sync_folder(self.path)

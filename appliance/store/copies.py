"""Copies of a store in SQLite: made while it is used, verified, and put back when the store is damaged."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from appliance.api.stores import StoreDamaged
from appliance.foundation.clock import utc_text
from appliance.foundation.logging import get_logger
from appliance.foundation.whole_files import sync_folder
from appliance.store.folder import Folder
from appliance.store.schema import version_of
from appliance.store.sqlite_errors import as_told, damaged, is_damage

GAP: Final = 1 << 24
"""By so much the ids of all logs grow when a copy comes back: those that were given since it was made are not given again. It is
enough for 4,600 entries a second for an hour."""
PATIENCE: Final = 5.0
"""Seconds for which a connection waits while another program writes to the file."""
log = get_logger("store")
Opened = Callable[[sqlite3.Connection], None]


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection without transactions of its own making, for one thread at a time. Raises sqlite3.Error."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, PATIENCE, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")  # nothing that a file brings runs as part of a statement of ours
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA temp_store = MEMORY")  # there may be no folder for temporary files, and none is to hold values
    return connection


def copy(folder: Folder, opened: Opened = lambda _: None) -> None:
    """Make the last good copy anew, from the store as it is now. Another process may write meanwhile.

    `opened` is told the connection, which may be interrupted from another thread. Raises StoreBroken if the store is damaged,
    StoreFull, OSError; then the copy before stays.
    """
    part = folder.part(folder.good)
    try:
        snapshot(folder, part, opened)
        part.replace(folder.good)
        sync_folder(folder.path)
    finally:
        part.unlink(missing_ok=True)


def snapshot(folder: Folder, part: Path, opened: Opened = lambda _: None) -> None:
    """Write the store as it is now into an empty file, and verify that. It is on the disk when this returns. Raises as `copy`."""
    try:
        with closing(connect(folder.main, read_only=True)) as source:
            opened(source)
            look(source, "quick_check")
            source.execute("VACUUM INTO ?", (str(part),))
    except sqlite3.Error as error:
        raise as_told(error, folder.main) from error
    verify(part)
    flush(part)


def verify(path: Path) -> int:
    """Look at a whole file that nobody writes. Returns the version of its form. Raises StoreBroken."""
    try:
        with closing(connect(path, read_only=True)) as connection:
            look(connection, "integrity_check")
            return version_of(connection)
    except sqlite3.Error as error:
        raise as_told(error, path) from error


def mend(folder: Folder) -> bool:
    """Look at the store, and if it is damaged let the last good copy take its place. Returns whether it did.

    Nobody else has it open. Raises StoreBroken.
    """
    why = _problem(folder)
    if why is None:
        return False
    if not folder.good.exists():
        raise StoreDamaged(
            f"{folder.main} is damaged, and there is no copy: {why}", hint="appliance store restore FILE, with a backup"
        )
    put_back(folder, folder.good, folder.broken)
    made = utc_text(folder.good.stat().st_mtime)
    log.error(
        "the store was damaged: its last good copy is used", path=str(folder.main), why=why, copied=made, kept=str(folder.broken)
    )
    return True


def put_back(folder: Folder, source: Path, old: Path) -> None:
    """A copy of `source` becomes the store, and what was the store becomes `old`.

    Nobody has it open. Raises StoreBroken, StoreFull.
    """
    verify(source)
    part = folder.part(folder.main)
    try:
        shutil.copyfile(source, part)
        with closing(connect(part)) as connection:
            connection.execute("UPDATE logs SET newest = newest + ?", (GAP,))
        flush(part)
        folder.replace_main(part, old)
    except sqlite3.Error as error:
        raise as_told(error, part) from error
    finally:
        part.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """What is in a file is on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def look(connection: sqlite3.Connection, how: str) -> None:
    """Have SQLite look for damage ("quick_check", "integrity_check"). Raises StoreBroken, sqlite3.Error."""
    found: str = connection.execute(f"PRAGMA {how}(1)").fetchone()[0]
    if found != "ok":
        raise damaged("the file", found)


def _problem(folder: Folder) -> str | None:
    """Why the store is none; None if it is one, or there has never been one."""
    if not folder.main.exists() or not folder.main.stat().st_size:
        return "it is empty" if folder.good.exists() else None
    try:
        with closing(connect(folder.main)) as connection:
            look(connection, "quick_check")
    except StoreDamaged as error:
        return error.message
    except sqlite3.Error as error:
        if not is_damage(error):
            raise as_told(error, folder.main) from error
        return str(error)
    return None

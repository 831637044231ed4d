"""Tables of a store in SQLite, and how a file of one version becomes one of the next, or of the one before.

The way back lies in the file itself: an older program finds there what undoes the version that it does not know.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from appliance.api.stores import StoreBroken

APPLICATION_ID: Final = 0x4170706C
"""In the header of each file ("Appl"): what has another one is no store."""


class Step(NamedTuple):
    """From one version to the next, and back."""

    forward: tuple[str, ...]
    back: tuple[str, ...]


STEPS: Final = (
    Step(
        forward=(
            "CREATE TABLE ways_back (number INTEGER PRIMARY KEY, version INTEGER NOT NULL, statement TEXT NOT NULL)",
            # Keys are blobs: they compare by their UTF-8 bytes, and a prefix is a range.
            """CREATE TABLE records (space TEXT NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, expires INTEGER,
               value BLOB NOT NULL, UNIQUE (space, key))""",
            "CREATE INDEX expiring ON records (expires) WHERE expires IS NOT NULL",
            """CREATE TABLE logs (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, newest INTEGER NOT NULL,
               size INTEGER NOT NULL)""",
            """CREATE TABLE entries (log INTEGER NOT NULL, id INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (log, id))
               WITHOUT ROWID""",
        ),
        back=(),
    ),
)


def migrate(connection: sqlite3.Connection, steps: Sequence[Step] = STEPS) -> tuple[int, int]:
    """Bring a file to the version of this program, which is the number of `steps`, in one transaction.

    Returns the version it had, and the one it has. Raises StoreBroken if it is more than one version ahead, sqlite3.Error.
    """
    found, wanted = version_of(connection), len(steps)
    if found == wanted:
        return found, wanted
    if found > wanted + 1:
        raise _too_new(found, wanted)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if found > wanted:
            _back(connection, found, wanted)
        for number, step in enumerate(steps[found:], found + 1):
            for statement in step.forward:
                connection.execute(statement)
            rows = [(number, statement) for statement in step.back]
            connection.executemany("INSERT INTO ways_back (version, statement) VALUES (?, ?)", rows)
        connection.execute(f"PRAGMA user_version = {wanted}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return found, wanted


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a file; 0 if it is empty. Raises StoreBroken if it is a database of something else, sqlite3.Error."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    owner: int = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if owner != APPLICATION_ID and not (empty and owner == version == 0):
        raise StoreBroken("the file is the database of another program", hint="move it away, or name another folder")
    return version


def _back(connection: sqlite3.Connection, found: int, wanted: int) -> None:
    rows = connection.execute("SELECT statement FROM ways_back WHERE version = ? ORDER BY number", (found,)).fetchall()
    if not rows:
        raise _too_new(found, wanted)
    connection.set_authorizer(_inside_this_file)
    try:
        for (statement,) in rows:
            connection.execute(statement)
    finally:
        connection.set_authorizer(None)
    connection.execute("DELETE FROM ways_back WHERE version = ?", (found,))


def _inside_this_file(action: int, *_: str | None) -> int:
    """Statements out of a file touch no other one."""
    return sqlite3.SQLITE_DENY if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_PRAGMA) else sqlite3.SQLITE_OK


def _too_new(found: int, wanted: int) -> StoreBroken:
    return StoreBroken(
        f"the store was written by a newer version: its form is {found}, this one knows {wanted}",
        hint="install that version again, or restore a backup of this one: appliance store restore FILE",
    )

"""The changes of one commit, as SQL. The transaction around them is the caller's."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from appliance.api.stores import Append, Change, Check, Conflict, Delete, Drop, Entry, Put, Record, Tail

Cells = tuple[int, int, int]
"""rowid, version, and whether it is there: an expired record is still in the table."""


def change_all(connection: sqlite3.Connection, changes: Sequence[Change], now: float) -> list[int]:
    """What `Store.commit` returns. Raises Conflict, sqlite3.Error; then the caller takes back what was done."""
    return [_change(connection, change, now) for change in changes]


def read_record(connection: sqlite3.Connection, space: str, key: str, now: float) -> Record | None:
    """What `Store.get` returns."""
    row = connection.execute(
        "SELECT value, version FROM records WHERE space = ? AND key = ? AND (expires IS NULL OR expires > ?)",
        (space, key.encode(), now),
    ).fetchone()
    return None if row is None else Record(key, *row)


def read_records(connection: sqlite3.Connection, space: str, prefix: bytes, after: bytes, limit: int, now: float) -> list[Record]:
    """What `Store.scan` returns."""
    rows = connection.execute(
        "SELECT key, value, version FROM records WHERE space = ? AND key >= ? AND key > ? AND key < ?"
        " AND (expires IS NULL OR expires > ?) ORDER BY key LIMIT ?",
        (space, prefix, after, prefix + b"\xff", now, limit),  # 0xFF is in no UTF-8
    )
    return [Record(key.decode(), value, version) for key, value, version in rows]


def read_tail(connection: sqlite3.Connection, log: str, after: int, limit: int) -> Tail:
    """What `Store.tail` returns, all of one moment."""
    connection.execute("BEGIN")
    try:
        number, newest, _ = _log(connection, log)
        rows = connection.execute(
            "SELECT id, value FROM entries WHERE log = ? AND id > ? ORDER BY id LIMIT ?", (number, after, limit)
        ).fetchall()
        oldest = connection.execute("SELECT min(id) FROM entries WHERE log = ?", (number,)).fetchone()[0]
    finally:
        connection.execute("COMMIT")
    return Tail([Entry(*row) for row in rows], newest + 1 if oldest is None else oldest, newest)


def sweep(connection: sqlite3.Connection, now: float, most: int) -> int:
    """Remove up to `most` expired records. Returns how many."""
    return connection.execute(
        "DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE expires <= ? LIMIT ?)", (now, most)
    ).rowcount


def _change(connection: sqlite3.Connection, change: Change, now: float) -> int:
    match change:
        case Put(space, key, _, expect):
            return _put(connection, change, _expected(connection, space, key, expect, now))
        case Delete(space, key, expect):
            row, _ = _expected(connection, space, key, expect, now)
            connection.execute("DELETE FROM records WHERE rowid = ?", (row,))
            return 0
        case Check(space, key, expect):
            return _expected(connection, space, key, expect, now)[1]
        case Append(log, value, keep):
            return _append(connection, log, value, keep)
        case Drop(log):
            number, _, _ = _log(connection, log)
            connection.execute("DELETE FROM entries WHERE log = ?", (number,))
            connection.execute("DELETE FROM logs WHERE number = ?", (number,))
            return 0


def _expected(connection: sqlite3.Connection, space: str, key: str, expect: int | None, now: float) -> tuple[int | None, int]:
    """The row of a record, which may be an expired one's, and the version that is there. Raises Conflict."""
    row, version, there = connection.execute(
        "SELECT rowid, version, expires IS NULL OR expires > ? FROM records WHERE space = ? AND key = ?",
        (now, space, key.encode()),
    ).fetchone() or (None, 0, False)
    version = version if there else 0
    if expect is not None and expect != version:
        raise Conflict(f"somebody else changed {space}/{key} first", hint="read it again, and decide anew")
    return row, version


def _put(connection: sqlite3.Connection, put: Put, found: tuple[int | None, int]) -> int:
    row, version = found[0], found[1] + 1
    if row is None:
        connection.execute(
            "INSERT INTO records (space, key, version, expires, value) VALUES (?, ?, ?, ?, ?)",
            (put.space, put.key.encode(), version, put.expires, put.value),
        )
    else:
        connection.execute(
            "UPDATE records SET version = ?, expires = ?, value = ? WHERE rowid = ?", (version, put.expires, put.value, row)
        )
    return version


def _append(connection: sqlite3.Connection, log: str, value: bytes, keep: int) -> int:
    number, newest, size = _log(connection, log)
    newest += 1
    if number is None:
        number = connection.execute("INSERT INTO logs (name, newest, size) VALUES (?, 0, 0)", (log,)).lastrowid
    connection.execute("INSERT INTO entries (log, id, value) VALUES (?, ?, ?)", (number, newest, value))
    if (trimmed := size + 1 - keep) > 0:  # by their number: ids may have a gap where a copy came back
        connection.execute(
            "DELETE FROM entries WHERE log = ? AND id IN (SELECT id FROM entries WHERE log = ? ORDER BY id LIMIT ?)",
            (number, number, trimmed),
        )
    connection.execute("UPDATE logs SET newest = ?, size = min(size + 1, ?) WHERE number = ?", (newest, keep, number))
    return newest


def _log(connection: sqlite3.Connection, log: str) -> tuple[int | None, int, int]:
    """Number, largest id and size of a log; None and zeros if there is no such log."""
    row = connection.execute("SELECT number, newest, size FROM logs WHERE name = ?", (log,)).fetchone()
    return row or (None, 0, 0)

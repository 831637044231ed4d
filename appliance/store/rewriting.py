"""All values of a store in SQLite, piece by piece, each replaced where it lies.

From the newest to the oldest: what is written meanwhile is newer, so there is an end however busy the writers are.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from appliance.api.stores import Kept, Rewrite

_RECORDS: Final = "SELECT rowid, space, key, value FROM records WHERE rowid < ? ORDER BY rowid DESC LIMIT ?"
_ENTRIES: Final = (
    "SELECT entries.log, entries.id, logs.name, entries.value FROM entries JOIN logs ON logs.number = entries.log"
    " WHERE (entries.log, entries.id) < (?, ?) ORDER BY entries.log DESC, entries.id DESC LIMIT ?"
)
_END: Final = str((1 << 63) - 1)


def rewrite_piece(connection: sqlite3.Connection, rewrite: Rewrite, after: str, limit: int) -> str | None:
    """What `RewritableStore.rewrite` returns: records first, then entries. The transaction is the caller's."""
    kind, *place = after.split() or ["record", _END]
    if kind == "record":
        rows = connection.execute(_RECORDS, (int(place[0]), limit)).fetchall()
        for row, space, key, value in rows:
            if (other := rewrite(Kept("record", space, key.decode(), value))) is not None:
                connection.execute("UPDATE records SET value = ? WHERE rowid = ?", (other, row))
        if rows:
            return f"record {rows[-1][0]}"
        place = [_END, "0"]
    rows = connection.execute(_ENTRIES, (*map(int, place), limit)).fetchall()
    for number, entry, name, value in rows:
        if (other := rewrite(Kept("entry", name, "", value))) is not None:
            connection.execute("UPDATE entries SET value = ? WHERE log = ? AND id = ?", (other, number, entry))
    return f"entry {rows[-1][0]} {rows[-1][1]}" if rows else None

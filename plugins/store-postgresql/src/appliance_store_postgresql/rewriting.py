"""All values, piece by piece, each replaced where it lies: records by their keys, then entries from the newest to the oldest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from appliance.api.stores import Kept, Rewrite
from appliance_store_postgresql.connecting import Connection

_LOCK: Final = "SELECT bytes FROM store FOR UPDATE"
_RECORDS: Final = "SELECT space, key, value FROM records WHERE (space, key) > ($1, $2) ORDER BY space, key LIMIT $3"
_ENTRIES: Final = """SELECT entries.log, entries.id, logs.name, entries.value FROM entries JOIN logs ON logs.number = entries.log
    WHERE (entries.log, entries.id) < ($1, $2) ORDER BY entries.log DESC, entries.id DESC LIMIT $3"""
_PUT_RECORDS: Final = """UPDATE records SET value = other.value FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])
    AS other(space, key, value) WHERE records.space = other.space AND records.key = other.key"""
_PUT_ENTRIES: Final = """UPDATE entries SET value = other.value FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
    AS other(log, id, value) WHERE entries.log = other.log AND entries.id = other.id"""
_GROWN: Final = "UPDATE store SET bytes = bytes + $1"
_END: Final = (1 << 63) - 1


async def rewrite_piece(connection: Connection, rewrite: Rewrite, after: str, limit: int) -> str | None:
    """What `RewritableStore.rewrite` returns, in a transaction of its own."""
    async with connection.transaction():
        await connection.execute(_LOCK)  # commits wait
        kind, *place = after.split(" ") if after else ["record", "", ""]
        if kind == "record":
            rows = await connection.fetch(_RECORDS, *map(bytes.fromhex, place), limit)
            if rows:
                kept = [Kept("record", row["space"].decode(), row["key"].decode(), row["value"]) for row in rows]
                await _put(connection, _PUT_RECORDS, rows, await asyncio.to_thread(_rewritten, rewrite, kept))
                return f"record {rows[-1]['space'].hex()} {rows[-1]['key'].hex()}"
            place = [str(_END), "0"]
        rows = await connection.fetch(_ENTRIES, *map(int, place), limit)
        if not rows:
            return None
        kept = [Kept("entry", row["name"].decode(), "", row["value"]) for row in rows]
        await _put(connection, _PUT_ENTRIES, rows, await asyncio.to_thread(_rewritten, rewrite, kept))
        return f"entry {rows[-1]['log']} {rows[-1]['id']}"


def _rewritten(rewrite: Rewrite, kept: Sequence[Kept]) -> list[bytes | None]:
    return [rewrite(each) for each in kept]


async def _put(connection: Connection, query: str, rows: Sequence[Any], values: Sequence[bytes | None]) -> None:
    changed = [(row[0], row[1], value, len(row["value"])) for row, value in zip(rows, values, strict=True) if value is not None]
    if changed:
        first, second, others, sizes = map(list, zip(*changed, strict=True))
        await connection.execute(query, first, second, others)
        await connection.execute(_GROWN, sum(map(len, others)) - sum(sizes))

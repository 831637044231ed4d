"""What is read, as SQL: each is one statement, so all of it is of one moment."""

from __future__ import annotations

from appliance.api.stores import Entry, Record, Tail
from appliance_store_postgresql.connecting import Connection

_GET = "SELECT value, version FROM records WHERE space = $1 AND key = $2 AND (expires IS NULL OR expires > $3)"
_SCAN = """SELECT key, value, version FROM records WHERE space = $1 AND key >= $2 AND key > $3 AND key < $4
    AND (expires IS NULL OR expires > $5) ORDER BY key LIMIT $6"""
_TAIL = """SELECT logs.oldest, logs.newest, found.id, found.value FROM logs LEFT JOIN LATERAL (SELECT entries.id, entries.value
    FROM entries WHERE entries.log = logs.number AND entries.id > $2 ORDER BY entries.id LIMIT $3) found ON true
    WHERE logs.name = $1 ORDER BY found.id"""
_LATEST = (1 << 63) - 1


async def read_record(connection: Connection, space: str, key: str, now: float) -> Record | None:
    """What `Store.get` returns."""
    row = await connection.fetchrow(_GET, space.encode(), key.encode(), now)
    return None if row is None else Record(key, row["value"], row["version"])


async def read_records(connection: Connection, space: str, prefix: str, after: str, limit: int, now: float) -> list[Record]:
    """What `Store.scan` returns."""
    first, behind = prefix.encode(errors="surrogatepass"), after.encode(errors="surrogatepass")
    rows = await connection.fetch(_SCAN, space.encode(), first, behind, first + b"\xff", now, limit)  # 0xFF is in no UTF-8
    return [Record(key.decode(), value, version) for key, value, version in rows]


async def read_tail(connection: Connection, log: str, after: int, limit: int) -> Tail:
    """What `Store.tail` returns."""
    rows = await connection.fetch(_TAIL, log.encode(), max(0, min(after, _LATEST)), limit)
    if not rows:
        return Tail([], 1, 0)
    return Tail([Entry(number, value) for _, _, number, value in rows if number is not None], rows[0][0], rows[0][1])

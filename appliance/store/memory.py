"""A store in memory, which ends with its process: for tests, for trying, and as the measure of the other stores."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from appliance.api.slowest_clock import SlowestClock
from appliance.api.stores import (
    LIMIT_BYTES,
    Append,
    Change,
    Check,
    Conflict,
    Delete,
    Drop,
    Entry,
    Kept,
    Put,
    Record,
    Rewrite,
    StoreFull,
    Tail,
    is_name,
    judge,
    page,
)
from appliance.foundation.clock import monotonic

OVERHEAD: Final = 200
"""Bytes of a record or an entry besides what is kept, about."""
SWEPT: Final = 100
"""Expired records that one commit removes at most."""

Undo = Callable[[], object]


class _Kept(NamedTuple):
    value: bytes
    version: int
    expires: int | None


class _Log:
    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.newest = 0


class MemoryStore:
    """A `Store`. `clock` gives Unix seconds, `elapsed` those of a clock that nobody sets; `limit` is in bytes."""

    def __init__(self, *, clock: Callable[[], float], elapsed: Callable[[], float] = monotonic, limit: int = LIMIT_BYTES) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._slowest = SlowestClock()
        self._full_now = False
        self._limit = limit
        self._records: dict[str, dict[str, _Kept]] = {}
        self._keys: dict[str, list[str]] = {}
        """Of each space, sorted: strings compare as their UTF-8 bytes do."""
        self._logs: dict[str, _Log] = {}
        self._expiring: list[tuple[int, str, str]] = []
        self._figures = dict.fromkeys(("commits", "conflicts", "reads", "full", "expired", "bytes"), 0)

    async def get(self, space: str, key: str) -> Record | None:
        """See the protocol."""
        self._figures["reads"] += 1
        kept = self._found(space, key)
        return None if kept is None else Record(key, kept.value, kept.version)

    async def scan(self, space: str, *, prefix: str = "", after: str = "", limit: int = 100) -> list[Record]:
        """See the protocol."""
        self._figures["reads"] += 1
        keys = self._keys.get(space, [])
        found: list[Record] = []
        for key in keys[max(bisect_left(keys, prefix), bisect_right(keys, after)) :]:
            if not key.startswith(prefix) or len(found) == page(limit):
                break
            if (kept := self._found(space, key)) is not None:
                found.append(Record(key, kept.value, kept.version))
        return found

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        """See the protocol. Nothing here is durable."""
        del durable
        judge(changes)
        self._sweep()
        undo: list[Undo] = []
        try:
            done = [self._change(change, undo) for change in changes]
            if self._figures["bytes"] > self._limit and any(isinstance(change, Put | Append) for change in changes):
                raise StoreFull(f"the store is full: {self._limit} bytes", hint="remove something, or raise the limit")
        except (Conflict, StoreFull) as error:
            for step in reversed(undo):
                step()
            self._figures["conflicts" if isinstance(error, Conflict) else "full"] += 1
            self._full_now = self._full_now or isinstance(error, StoreFull)
            raise
        self._full_now = False
        self._figures["commits"] += 1
        return done

    async def tail(self, log: str, after: int = 0, limit: int = 100) -> Tail:
        """See the protocol."""
        self._figures["reads"] += 1
        found = self._logs.get(log) or _Log()
        entries = [entry for entry in found.entries if entry.id > after][: page(limit)]
        return Tail(entries, found.entries[0].id if found.entries else found.newest + 1, found.newest)

    async def rewrite(self, rewrite: Rewrite, after: str, limit: int) -> str | None:
        """See `RewritableStore`. Sees all values in the first call: they are in memory anyway."""
        del limit
        if after:
            return None
        records = [
            (records, key, rewrite(Kept("record", space, key, kept.value)))
            for space, records in self._records.items()
            for key, kept in records.items()
        ]
        logs = [
            (log, [rewrite(Kept("entry", name, "", entry.value)) for entry in log.entries]) for name, log in self._logs.items()
        ]
        for kept, key, value in records:
            if value is not None:
                kept[key] = kept[key]._replace(value=value)
        for log, values in logs:
            pairs = zip(log.entries, values, strict=True)
            log.entries = deque(entry if value is None else Entry(entry.id, value) for entry, value in pairs)
        return "all"

    def stats(self) -> Mapping[str, int]:
        """Figures of the store."""
        return dict(self._figures)

    async def close(self) -> None:
        """Nothing to do."""

    def _found(self, space: str, key: str) -> _Kept | None:
        kept = self._records.get(space, {}).get(key) if is_name(key) else None
        return None if kept is None or (kept.expires is not None and kept.expires <= self._clock()) else kept

    def _change(self, change: Change, undo: list[Undo]) -> int:
        match change:
            case Put(space, key, value, expect, expires):
                kept = _Kept(value, self._expected(space, key, expect) + 1, expires)
                self._set(space, key, kept, undo)
                if expires is not None:
                    heapq.heappush(self._expiring, (expires, space, key))
                return kept.version
            case Delete(space, key, expect):
                self._expected(space, key, expect)
                self._set(space, key, None, undo)
                return 0
            case Check(space, key, expect):
                return self._expected(space, key, expect)
            case Append(log, value, keep):
                return self._append(log, value, keep, undo)
            case Drop(log):
                self._drop(log, undo)
                return 0

    def _expected(self, space: str, key: str, expect: int | None) -> int:
        kept = self._found(space, key)
        version = 0 if kept is None else kept.version
        if expect is not None and expect != version:
            raise Conflict(f"somebody else changed {space}/{key} first", hint="read it again, and decide anew")
        return version

    def _set(self, space: str, key: str, kept: _Kept | None, undo: list[Undo] | None) -> None:
        records = self._records.setdefault(space, {})
        keys = self._keys.setdefault(space, [])
        before = records.pop(key, None)
        if before is None and kept is not None:
            insort(keys, key)
        if before is not None and kept is None:
            del keys[bisect_left(keys, key)]
        if kept is not None:
            records[key] = kept
        self._figures["bytes"] += sum(
            sign * (len(key) + len(each.value) + OVERHEAD) for sign, each in ((-1, before), (1, kept)) if each
        )
        if undo is not None:
            undo.append(lambda: self._set(space, key, before, None))

    def _append(self, log: str, value: bytes, keep: int, undo: list[Undo]) -> int:
        found = self._logs.setdefault(log, _Log())
        found.newest += 1
        found.entries.append(Entry(found.newest, value))
        trimmed = [found.entries.popleft() for _ in range(len(found.entries) - keep)]
        size = len(value) + OVERHEAD - sum(len(entry.value) + OVERHEAD for entry in trimmed)
        self._figures["bytes"] += size

        def back() -> None:
            found.entries.pop()
            found.entries.extendleft(reversed(trimmed))
            found.newest -= 1
            self._figures["bytes"] -= size

        undo.append(back)
        return found.newest

    def _drop(self, log: str, undo: list[Undo]) -> None:
        found = self._logs.pop(log, None)
        if found is None:
            return
        size = sum(len(entry.value) + OVERHEAD for entry in found.entries)
        self._figures["bytes"] -= size

        def back() -> None:
            self._logs[log] = found
            self._figures["bytes"] += size

        undo.append(back)

    def _sweep(self) -> None:
        now = self._clock()
        certain = self._slowest.read(now, self._elapsed())
        until = now if self._full_now else certain
        for _ in range(SWEPT):
            if not self._expiring or self._expiring[0][0] > until:
                break
            expires, space, key = heapq.heappop(self._expiring)
            kept = self._records.get(space, {}).get(key)
            if kept is not None and kept.expires == expires:
                self._set(space, key, None, None)
                self._figures["expired"] += 1

"""Commits that are made together: as arguments of the database's function, and what its answer means for each. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from appliance.api.stores import Append, Change, Check, Conflict, Delete, Drop, Put, StoreFull

CHANGE_ALL: Final = "SELECT done, refused, total FROM change_all_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
Outcome = list[int] | Conflict | StoreFull
_Cells = tuple[str, bytes, bytes, bytes | None, int | None, int | None]


class Settled(NamedTuple):
    """What became of a batch."""

    done: Sequence[int]
    refused: Sequence[int]


def arguments(commits: Sequence[Sequence[Change]]) -> tuple[list[Any], ...]:
    """Parts, kinds, names, keys, contents, expectations and numbers, each with an item for each change. No commit is empty."""
    rows = [(part, *_cells(change)) for part, changes in enumerate(commits, 1) for change in changes]
    return tuple(map(list, zip(*rows, strict=True)))


def outcomes(commits: Sequence[Sequence[Change]], settled: Settled, limit: int) -> list[Outcome]:
    """For each commit what `Store.commit` returns or raises."""
    found: list[Outcome] = []
    begin = 0
    for changes, refused in zip(commits, settled.refused, strict=True):
        if refused > 0:
            found.append(_conflict(changes[refused - 1 - begin]))
        elif refused:
            hint = "remove something, or raise management.store.postgresql.limit"
            found.append(StoreFull(f"the store is full: {limit} bytes", hint=hint))
        else:
            found.append(list(settled.done[begin : begin + len(changes)]))
        begin += len(changes)
    return found


def size_of(changes: Sequence[Change]) -> int:
    """About how many bytes are sent for it."""
    return sum(len(change.value) for change in changes if isinstance(change, Put | Append)) + 100 * len(changes)


def _known(expect: int | None) -> int | None:
    """No version is as large as what the database cannot compare."""
    return expect if expect is None or 0 <= expect < 1 << 63 else -1


def _cells(change: Change) -> _Cells:
    match change:
        case Put(space, key, value, expect, expires):
            return "p", space.encode(), key.encode(), value, _known(expect), expires
        case Delete(space, key, expect):
            return "d", space.encode(), key.encode(), None, _known(expect), None
        case Check(space, key, expect):
            return "c", space.encode(), key.encode(), None, _known(expect), None
        case Append(log, value, keep):
            return "a", log.encode(), b"", value, None, keep
        case Drop(log):
            return "x", log.encode(), b"", None, None, None


def _conflict(change: Change) -> Conflict:
    assert isinstance(change, Put | Delete | Check)
    return Conflict(f"somebody else changed {change.space}/{change.key} first", hint="read it again, and decide anew")

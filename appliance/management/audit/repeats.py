"""What may come often, and from anybody, cannot fill the log: the first of a kind is an entry, its repetitions are one more.

A kind is one caller, one deed, one target, one reason. New kinds have a budget, too: beyond it they are counted by deed alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from appliance.management.audit.entry import NODE, Entry
from appliance.protocol.admission import TokenBucket

WINDOW: Final = 60.0
"""Seconds from the first of a kind to the entry that counts its repetitions."""
BURST: Final = 200
PER_SECOND: Final = 0.1
"""Entries about new kinds. In the long run that is 9,000 a day, of about 300 bytes."""
MOST_KINDS: Final = 512
"""Counted apart at a time."""

_Kind = tuple[object, ...]


class Repeats:
    """Counts what repeats itself. Times are seconds of a clock that never goes back."""

    def __init__(self, now: float) -> None:
        self._budget = TokenBucket(PER_SECOND, BURST, now)
        self._counted: dict[_Kind, tuple[float, Entry, int]] = {}
        """By kind: when its window ends, the entry, and how many are not told yet."""

    def note(self, entry: Entry, now: float) -> Entry | None:
        """It happened. Returns what is to be recorded at once."""
        kind = _kind(entry)
        if kind not in self._counted and (len(self._counted) >= MOST_KINDS or not self._budget.take(now)):
            entry = Entry(entry.what, entry.outcome, replace(NODE, kind="several"), reason=entry.reason)
            kind = _kind(entry)
            self._counted.setdefault(kind, (now + WINDOW, entry, 0))
        if kind in self._counted:
            until, first, times = self._counted[kind]
            self._counted[kind] = until, first, times + entry.times
            return None
        self._counted[kind] = now + WINDOW, entry, 0
        return entry

    def due(self, now: float) -> list[Entry]:
        """What windows that have ended come to."""
        ended = [kind for kind, (until, _, _) in self._counted.items() if until <= now]
        return [counted for kind in ended if (counted := self._take(kind)) is not None]

    def all(self) -> list[Entry]:
        """What is not told yet, now that it ends."""
        return [counted for kind in list(self._counted) if (counted := self._take(kind)) is not None]

    @property
    def next_due(self) -> float | None:
        """When `due` has something again; None: nothing is counted."""
        return min((until for until, _, _ in self._counted.values()), default=None)

    def _take(self, kind: _Kind) -> Entry | None:
        _, entry, times = self._counted.pop(kind)
        return replace(entry, times=times, request="") if times else None


def _kind(entry: Entry) -> _Kind:
    who, told_by = entry.who, entry.told_by
    return entry.what, entry.outcome, entry.target, entry.reason, who.kind, who.name, who.uid, told_by

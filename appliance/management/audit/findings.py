"""What verifying a log comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Wrong(StrEnum):
    """What somebody did to the log, as far as that can be told."""

    EDITED = "edited"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    SEGMENT_REMOVED = "segment-removed"
    TRUNCATED = "truncated"
    """A head knows of later entries."""
    RESEALED = "resealed"
    """All fits, and a head knows it otherwise: the log was written anew."""
    DAMAGED = "damaged"
    """Bytes that are no line of a log."""


class Finding(NamedTuple):
    """One thing that is wrong, and where."""

    wrong: Wrong
    file: str
    line: int
    """From 1 on; 0: the file, or the log, as a whole."""
    entry: int
    """Its number; 0: it is none."""
    sentence: str

    def text(self) -> str:
        """For people."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.sentence}" if place else self.sentence


@dataclass(frozen=True, slots=True)
class Report:
    """What is there, and what is wrong with it."""

    node: str
    """The fingerprint of the node; "" if nothing could be read."""
    log: str
    """Which log; "" if nothing could be read."""
    segments: int
    entries: int
    first: int
    """The number of the first entry; 0: there is none."""
    last: int
    findings: Sequence[Finding]
    more: int
    """So many findings are not told."""
    notes: Sequence[str]
    """What is worth knowing, and not wrong."""

    @property
    def good(self) -> bool:
        """Is nothing wrong?"""
        return not self.findings

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "good": self.good,
            "node": self.node,
            "log": self.log,
            "segments": self.segments,
            "entries": self.entries,
            "first": self.first,
            "last": self.last,
            "findings": [finding._asdict() for finding in self.findings],
            "more": self.more,
            "notes": list(self.notes),
        }

"""A log in memory, as a node would write it, and the hands that change it."""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.management.audit.chain import ENTRY_LABEL, NOTHING, SEGMENT_LABEL, Beginning, line_of, next_hash
from appliance.management.audit.entry import Entry, Outcome, text_of
from appliance.management.audit.findings import Report
from appliance.management.audit.head import Head
from appliance.management.audit.verifying import verify

TIME = "2026-11-28T06:00:00.000Z"


@dataclass
class Written:
    """`lines[file]` are the lines of each segment, without their ends."""

    log: str = "0b" * 16
    lines: dict[str, list[bytes]] = field(default_factory=dict)
    number: int = 0
    last: bytes = NOTHING
    segment: int = 0

    def begin(self) -> None:
        self.segment += 1
        beginning = Beginning(self.segment, self.log, "llp1:node", self.number + 1, self.last, TIME)
        self._put(SEGMENT_LABEL, beginning.text(), fresh=True)

    def add(self, entry: Entry) -> None:
        self.number += 1
        self._put(ENTRY_LABEL, text_of(entry, self.number, TIME))

    def head(self) -> Head:
        return Head(self.log, self.number, self.last, 1_800_000_000)

    def verify(self, *heads: Head) -> Report:
        return verify(((name, b"".join(line + b"\n" for line in lines)) for name, lines in self.lines.items()), heads)

    def _put(self, label: bytes, text: bytes, *, fresh: bool = False) -> None:
        self.last = next_hash(label, self.last, text)
        self.lines.setdefault(f"{self.segment}.audit", [] if fresh else self.lines.get(f"{self.segment}.audit", []))
        self.lines[f"{self.segment}.audit"].append(line_of(self.last, text).rstrip(b"\n"))


def written(*sizes: int, log: str = "0b" * 16, what: str = "reload") -> Written:
    """A log with so many entries in each segment."""
    made = Written(log)
    for size in sizes:
        made.begin()
        for _ in range(size):
            made.add(Entry(what, Outcome.DONE, target=f"profile {made.number + 1}"))
    return made

"""Verifies a log: reads all that is there, segment by segment, and names what is wrong with it and where.

Whoever may write the files can also compute all hashes anew. That, and cutting off the end, shows only by a head that
somebody else has kept: `heads`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from appliance.management.audit.chain import (
    ENTRY_LABEL,
    NOTHING,
    SEGMENT_LABEL,
    Beginning,
    Line,
    LineDamaged,
    beginning_of,
    next_hash,
    number_of,
    read_line,
)
from appliance.management.audit.entry import NODE
from appliance.management.audit.findings import Finding, Report, Wrong
from appliance.management.audit.gaps import Gaps
from appliance.management.audit.head import Head

RETENTION: Final = "log.retention"
"""What an entry is called that tells which segments were removed since they were old. Its `more` has `segments`, the last of
them; `entries`, their last entry; `end`, the hash of their last line."""
MOST_TOLD: Final = 100
"""Findings; who has changed a whole log is told the rest as a number."""


class _Gone(NamedTuple):
    """What an entry about retention says."""

    segment: int
    entry: int
    end: str


class Verification:
    """Give it all segments in order, then ask for its `report`. `whole`: the first of them is to be the first that there is."""

    def __init__(self, *, whole: bool = True) -> None:
        self._whole = whole
        self._findings: list[Finding] = []
        self._more = 0
        self._notes: list[str] = []
        self._begun: list[Beginning] = []
        self._first_file = ""
        self._file = ""
        self._unfinished = 0
        self._next = 1
        self._hashes: dict[int, bytes] = {}
        """Of entries, by number."""
        self._comes_after: defaultdict[int, list[bytes]] = defaultdict(list)
        """By number of an entry: the hash of the line before it. There are two where an entry is there twice."""
        self._last = NOTHING
        self._gaps = Gaps()
        self._unreadable: set[int] = set()
        """Numbers of entries that may be what lines were that cannot be read."""
        self._gone: list[_Gone] = []

    @property
    def nodes(self) -> frozenset[str]:
        """Whose log it is: the fingerprints that the node has had."""
        return frozenset(begun.node for begun in self._begun)

    @property
    def last(self) -> tuple[int, bytes]:
        """Number of the last entry, and the hash of the last line."""
        return self._next - 1, self._last

    @property
    def last_entry(self) -> bytes | None:
        """The hash of the last entry; None: there is none."""
        return self._hashes.get(self._next - 1)

    @property
    def beginning(self) -> Beginning | None:
        """Of the last segment."""
        return self._begun[-1] if self._begun else None

    def segment(self, file: str, data: bytes) -> None:
        """The next segment: the name of its file and all that is in it."""
        if self._unfinished:
            self._find(Wrong.DAMAGED, self._file, 0, 0, f"its last line is unfinished ({self._unfinished} bytes)")
        self._file = file
        *lines, rest = data.split(b"\n")
        self._unfinished = len(rest)
        for number, text in enumerate(lines, 1):
            try:
                line = read_line(text)
                if number == 1:
                    self._begin(file, line, beginning_of(line))
                else:
                    self._entry(file, number, line)
            except LineDamaged:
                self._find(Wrong.DAMAGED, file, number, 0, f"these bytes are no {'entry' if number > 1 else 'beginning'}")
                if number > 1:
                    self._unreadable.add(self._next)
                    self._next += 1

    def unreadable(self, file: str, reason: str) -> None:
        """The next segment cannot be read, and not because its reader may not."""
        self._find(Wrong.DAMAGED, file, 0, 0, f"this file cannot be read: {reason}")

    def report(self, heads: Iterable[Head] = ()) -> Report:
        """What came of it. `heads` are this node's, their signatures good, kept where the holder of the log could not change
        them."""
        if self._unfinished:
            self._notes.append(f"{self._file} ends with an unfinished line ({self._unfinished} bytes): a write was interrupted")
        self._judge_start()
        for start, end, file, line in self._gaps.left():
            what = f"entry {start} is" if start == end else f"entries {start} to {end} are"
            self._find(Wrong.REMOVED, file, line, start, f"{what} missing before this line")
        for head in heads:
            self._compare(head)
        first = self._begun[0] if self._begun else None
        return Report(
            node=self._begun[-1].node if self._begun else "",
            log=first.log if first else "",
            segments=len(self._begun),
            entries=len(self._hashes),
            first=min(self._hashes, default=0),
            last=max(self._hashes, default=0),
            findings=tuple(self._findings),
            more=self._more,
            notes=tuple(self._notes),
        )

    # ---- lines ----

    def _begin(self, file: str, line: Line, beginning: Beginning) -> None:
        if next_hash(SEGMENT_LABEL, beginning.after, line.text) != line.hash:
            self._find(Wrong.EDITED, file, 1, 0, f"the beginning of segment {beginning.segment} was changed")
        if not self._begun:
            self._first_file, self._next = file, beginning.first
        else:
            self._continue(file, beginning)
        self._begun.append(beginning)
        self._last = line.hash
        self._comes_after[beginning.first].append(line.hash)

    def _continue(self, file: str, beginning: Beginning) -> None:
        """A segment after another one."""
        before = self._begun[-1]
        if beginning.log != before.log:
            self._find(Wrong.INSERTED, file, 1, 0, "this segment is of another log than the one before it")
        elif beginning.node != before.node:
            self._notes.append(f"from segment {beginning.segment} on the node has the identity {beginning.node}")
        if beginning.segment > before.segment + 1:
            missing = _range("segment", before.segment + 1, beginning.segment - 1)
            entries = _range("entry", self._next, beginning.first - 1, "entries")
            self._find(Wrong.SEGMENT_REMOVED, file, 0, self._next, f"{missing} missing before this one, with {entries}")
            self._next = max(self._next, beginning.first)
        elif beginning.segment <= before.segment:
            self._find(Wrong.DUPLICATED, file, 1, 0, f"segment {beginning.segment} comes after segment {before.segment}")
        elif beginning.first > self._next:
            self._gaps.add(self._next, beginning.first - 1, file, 1)
            self._next = beginning.first
        elif beginning.after != self._last:
            self._find(Wrong.EDITED, file, 1, 0, f"segment {beginning.segment} does not begin where the one before it ends")

    def _entry(self, file: str, number_of_line: int, line: Line) -> None:
        number = number_of(line)
        before = self._comes_after.get(number)
        fits = before is None or any(next_hash(ENTRY_LABEL, each, line.text) == line.hash for each in before)
        if number > self._next:
            self._gaps.add(self._next, number - 1, file, number_of_line)
        elif number < self._next and not self._was_missing(number):
            if self._hashes.get(number) == line.hash:
                self._find(Wrong.DUPLICATED, file, number_of_line, number, f"entry {number} is here a second time")
            else:
                sentence = f"there are two entries {number}: this one or the other was put in"
                self._find(Wrong.INSERTED, file, number_of_line, number, sentence)
        elif number < self._next and number not in self._unreadable:
            self._find(Wrong.REORDERED, file, number_of_line, number, f"entry {number} comes after entry {self._next - 1}")
        if not fits:
            sentence = f"entry {number} does not fit to its hash and the line before it: it was changed"
            self._find(Wrong.EDITED, file, number_of_line, number, sentence)
        self._unreadable.discard(number)
        self._hashes.setdefault(number, line.hash)
        self._comes_after[number + 1].append(line.hash)
        self._last = line.hash
        self._next = max(self._next, number + 1)
        self._note_retention(line)

    def _was_missing(self, number: int) -> bool:
        return number in self._unreadable or self._gaps.fill(number)

    def _note_retention(self, line: Line) -> None:
        """What the node itself says; nobody else can say that something was to go."""
        match line.said:
            case {"what": what, "who": who, "more": {"segments": int(segment), "entries": int(entry), "end": str(end)}} if (
                what == RETENTION and who == NODE.document() and "told_by" not in line.said
            ):
                self._gone.append(_Gone(segment, entry, end))

    # ---- the whole ----

    def _judge_start(self) -> None:
        """Does it begin at its beginning, or where an entry about retention says?"""
        if not self._begun or not self._whole:
            return
        first = self._begun[0]
        if first.segment == 1:
            if first.first != 1 or first.after != NOTHING:
                self._find(Wrong.EDITED, self._first_file, 1, 0, "the first segment does not begin at the beginning")
            return
        before = first.segment - 1
        told = [gone for gone in self._gone if gone.segment >= before]
        exact = [gone for gone in told if gone.segment == before]
        if not told:
            what = f"{_range('segment', 1, before)} missing, and no entry says that retention removed that"
            self._find(Wrong.SEGMENT_REMOVED, self._first_file, 0, 0, what)
        elif exact and (first.after.hex(), first.first - 1) not in {(gone.end, gone.entry) for gone in exact}:
            sentence = f"segment {first.segment} does not begin where the removed ones ended, as retention has recorded it"
            self._find(Wrong.EDITED, self._first_file, 1, 0, sentence)

    def _compare(self, head: Head) -> None:
        """With what somebody else knows of this log."""
        if not self._begun:
            self._find(Wrong.TRUNCATED, "", 0, head.number, f"a head knows of {head.number} entries, and there is no log")
            return
        if head.log != self._begun[0].log:
            sentence = f"a head knows another log of this node, with {head.number} entries: this one was begun in its place"
            self._find(Wrong.RESEALED, self._first_file, 0, 0, sentence)
            return
        known = self._hashes.get(head.number)
        if head.number >= self._next:
            sentence = f"a head knows of entry {head.number}, and the log ends with entry {self._next - 1}"
            self._find(Wrong.TRUNCATED, self._file, 0, head.number, sentence)
        elif known is None:
            ends = [gone.end for gone in self._gone if gone.entry == head.number]
            if ends and head.hash.hex() not in ends:
                sentence = f"a head knows another entry {head.number} than the one that retention removed"
                self._find(Wrong.RESEALED, self._first_file, 0, head.number, sentence)
            elif not ends:
                self._notes.append(f"a head is about entry {head.number}, which is not here any more: it says nothing")
        elif known != head.hash:
            sentence = f"a head knows another entry {head.number}: it, or something before it, was changed, and all sealed again"
            self._find(Wrong.RESEALED, "", 0, head.number, sentence)

    def _find(self, wrong: Wrong, file: str, line: int, entry: int, sentence: str) -> None:
        if len(self._findings) < MOST_TOLD:
            self._findings.append(Finding(wrong, file, line, entry, sentence))
        else:
            self._more += 1


def verify(segments: Iterable[tuple[str, bytes]], heads: Sequence[Head] = ()) -> Report:
    """All segments of a log in order, each the name of its file and what is in it."""
    verification = Verification()
    for file, data in segments:
        verification.segment(file, data)
    return verification.report(heads)


def _range(noun: str, first: int, last: int, plural: str = "") -> str:
    if first >= last:
        return f"{noun} {first}" if first == last else f"no {noun}"
    return f"{plural or noun + 's'} {first} to {last}"

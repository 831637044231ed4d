"""Reads entries of a log for who asks: some at a time, from one end or the other. It does not verify them: `audit verify` does.

How much is read for one question is bounded; the answer then says where to go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.management.audit.chain import LineDamaged, number_of, read_line
from appliance.management.audit.entry import clean
from appliance.runtime.audit.folder import segments
from appliance.runtime.audit.segment_writer import beginning_in

MOST_ENTRIES: Final = 500
MOST_READ: Final = 8 << 20
"""Bytes that one question may have read: a tenth of a second."""

ALL_OLDER: Final = 1000
"""Entries in a row that are older than what is wanted: then all before them are taken to be. A few may be so by a wrong clock."""
MOST_SHOWN: Final = 2000
"""Characters of an entry for people."""


class Wanted(NamedTuple):
    """Which entries."""

    who: str = ""
    """A name, of whom it is about or who told it."""
    what: str = ""
    """The operation, or the beginning of its name up to a dot."""
    since: str = ""
    until: str = ""
    """RFC 3339 in UTC, or as much of it as matters."""

    def fits(self, entry: Mapping[str, Any]) -> bool:
        """Is it one of them?"""
        what, time = str(entry.get("what")), str(entry.get("time"))
        return (
            (not self.what or what == self.what or what.startswith(f"{self.what}."))
            and (not self.since or time >= self.since)
            and (not self.until or time < self.until)
            and (not self.who or self.who in _names(entry))
        )


class Page(NamedTuple):
    """Some entries, each as it was written, with its `hash`."""

    entries: list[dict[str, Any]]
    next: int | None
    """Ask for what comes after this number; None: there is no more now."""


def newest(folder: Path, wanted: Wanted, before: int, limit: int) -> Page:
    """The newest entries with a number less than `before` (0: any), the newest first. Raises OSError."""
    budget, too_old = MOST_READ, 0
    found: list[dict[str, Any]] = []
    for segment in reversed(segments(folder)):
        beginning = beginning_in(segment)
        first = 1 if beginning is None else beginning.first
        if before and first >= before:
            continue
        data = segment.read()
        budget -= len(data)
        for entry in _parsed(reversed(_before(data.split(b"\n")[1:-1], first, before))):
            if before and entry["n"] >= before:
                continue
            too_old = too_old + 1 if wanted.since and str(entry.get("time")) < wanted.since else 0
            if too_old == ALL_OLDER:
                return Page(found, None)
            if len(found) == limit:
                return Page(found, found[-1]["n"])
            if wanted.fits(entry):
                found.append(entry)
        if budget < 0 and first > 1:
            return Page(found, first)
    return Page(found, None)


def oldest(folder: Path, wanted: Wanted, after: int, limit: int) -> Page:
    """The oldest entries with a number greater than `after`, the oldest first. `next` is never None: entries to come are behind
    it. Raises OSError."""
    there = segments(folder)
    firsts = [1 if (beginning := beginning_in(each)) is None else beginning.first for each in there]
    budget, at = MOST_READ, after
    found: list[dict[str, Any]] = []
    for index, segment in enumerate(there):
        if index + 1 < len(there) and firsts[index + 1] <= after + 1:
            continue
        data = segment.read()
        budget -= len(data)
        for entry in _parsed(_after(data.split(b"\n")[1:-1], firsts[index], at)):
            if entry["n"] <= at:
                continue
            if len(found) == limit:
                return Page(found, at)
            at = entry["n"]
            if wanted.fits(entry):
                found.append(entry)
        if budget < 0:
            break
    return Page(found, at)


def entries_in(data: bytes) -> Iterator[dict[str, Any]]:
    """Entries of a segment; lines that are none are left out."""
    return _parsed(data.split(b"\n")[1:-1])


def _parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for text in lines:
        try:
            line = read_line(text)
            yield {"n": number_of(line), **line.said, "hash": line.hash.hex()}
        except LineDamaged:
            continue


def _after(lines: Sequence[bytes], first: int, after: int) -> Sequence[bytes]:
    """Those behind entry `after`, if they are numbered as they should be: who follows a log does not have all of it read."""
    skipped = after - first + 1
    known = next(_parsed(lines[skipped - 1 : skipped]), None) if 0 < skipped <= len(lines) else None
    return lines[skipped:] if known is not None and known["n"] == after else lines


def _before(lines: Sequence[bytes], first: int, before: int) -> Sequence[bytes]:
    """The same for those before an entry; `before` 0: all."""
    left = before - first
    known = next(_parsed(lines[left : left + 1]), None) if before and 0 <= left < len(lines) else None
    return lines[:left] if known is not None and known["n"] == before else lines


def text_of_entry(entry: Mapping[str, Any]) -> str:
    """What it says, in a line for people, without its time."""
    said = [who_text(entry.get("who")), str(entry.get("what")), str(entry.get("target") or ""), str(entry.get("outcome"))]
    if entry.get("reason"):
        said.append(f"({entry['reason']})")
    if entry.get("times"):
        said.append(f"{entry['times']} times")
    said += [f"{key}={value}" for key, value in _mapping(entry.get("more")).items()]
    if entry.get("told_by"):
        said.append(f"[told by {who_text(entry['told_by'])}]")
    return clean(" ".join(each for each in said if each), MOST_SHOWN)  # the log may have been changed


def who_text(who: object) -> str:
    """Somebody, for people."""
    said = _mapping(who)
    kind, name = str(said.get("kind") or "?"), str(said.get("name") or "")
    return f"{kind}:{name}" if name else kind


def _names(entry: Mapping[str, Any]) -> set[str]:
    return {str(_mapping(entry.get(key)).get("name")) for key in ("who", "told_by")}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

"""Writes the segments of one log: appends, begins a new one when it is time, removes old ones, and takes up after a crash.

For one thread at a time. After an OSError nothing of that call is in the log, and the next one may work.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import HostError
from appliance.foundation.clock import utc_text
from appliance.foundation.whole_files import sync_folder
from appliance.linux.locks import try_hold
from appliance.management.audit.chain import (
    ENTRY_LABEL,
    LOG_ID_BYTES,
    NOTHING,
    SEGMENT_LABEL,
    Beginning,
    LineDamaged,
    beginning_of,
    line_of,
    next_hash,
    read_line,
)
from appliance.management.audit.entry import MOST_LINE_BYTES, Entry, Outcome, text_of
from appliance.management.audit.head import Head
from appliance.management.audit.verifying import RETENTION, Verification
from appliance.runtime.audit.folder import LOCK, SegmentFile, segment_path, segments

LEAST_BYTES, MOST_BYTES = 1 << 20, 64 << 20
"""Of a segment. A start verifies the last one: a MiB takes a tenth of a second."""
LEAST_PARTS, MOST_PARTS = 8, 256
"""How many segments a log has when it is as large as it may be."""
SEGMENT_SECONDS: Final = 86_400.0


class Keep(NamedTuple):
    """How much of the log stays."""

    bytes: int
    seconds: float


class Stamped(NamedTuple):
    """An entry, and when it was."""

    entry: Entry
    wall: float


class SegmentWriter:
    """The log in `folder`, which is made when it is missing. `node`: its fingerprint; `entropy` chooses a new log's name."""

    def __init__(self, folder: Path, node: str, keep: Keep, entropy: Callable[[int], bytes]) -> None:
        self._folder = folder
        self._node = node
        self._entropy = entropy
        self.keep = keep
        self._lock: int | None = None
        self._fd: int | None = None
        self._bytes = 0
        self._begun: Beginning | None = None
        self._began = 0.0
        self._number = 0
        self._entry_hash = self._last = NOTHING
        self.damage = ""
        """What was wrong with the log when this process took it up; "" if nothing was."""

    def head(self, wall: float) -> Head | None:
        """The log as it is on the disk. None: there is none."""
        return (
            None if self._begun is None or not self._number else Head(self._begun.log, self._number, self._entry_hash, int(wall))
        )

    def open(self, wall: float) -> None:
        """Take up what is there, and record what was wrong with it. Raises OSError."""
        self.append([], wall)

    def append(self, entries: Sequence[Stamped], wall: float) -> bool:
        """On the disk when this returns. Returns whether a segment was begun. Raises OSError; then none of them is in the log."""
        all_ = [*([] if self._fd is not None else self._take_up(wall)), *entries]
        if not all_:
            return False
        begins = self._begun is None or self._is_full(wall)
        if begins:
            self._begin(wall)
        self._write(all_)
        return begins

    def close(self) -> None:
        """Nothing is written any more, and another process may."""
        self._let_go()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def remove_old(self, wall: float) -> bool:
        """Remove the oldest segments if there is more than is to be kept; what goes is recorded first. Of those that are only too
        old one goes each time: a clock that is wrong by years must not cost all. Returns whether any went. Raises OSError."""
        there = segments(self._folder)
        going, reason = self._too_many(there[:-1], wall)
        if not going:
            return False
        following = beginning_in(there[len(going)])
        if following is None:  # verifying says what is wrong there; nothing is removed that cannot be told
            return False
        told: dict[str, str | int] = {"segments": going[-1].number, "entries": following.first - 1, "end": following.after.hex()}
        self.append([Stamped(Entry(RETENTION, Outcome.DONE, reason=reason, more=told), wall)], wall)
        for segment in going:
            segment.path.unlink(missing_ok=True)
        sync_folder(self._folder)
        return True

    # ---- taking up ----

    def _hold(self) -> None:
        """The folder is there, this user's alone, and this process is the one that writes. Raises OSError."""
        if self._lock is not None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(errno.EPERM, "it is no folder of this node's user alone", str(self._folder))
        try:
            self._lock = try_hold(self._folder / LOCK)
        except HostError as error:
            raise OSError(errno.EIO, error.message) from error
        if self._lock is None:
            raise OSError(errno.EBUSY, "another node writes there", str(self._folder))

    def _let_go(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _take_up(self, wall: float) -> list[Stamped]:
        """Find where the log ends, cut off what a crash left unfinished, and say what there is to say."""
        self._hold()
        there = segments(self._folder)
        said: list[Entry] = []
        while there and not there[-1].path.stat().st_size:  # a crash between making the file and its first line
            there.pop().path.unlink()
        self._begun, self._number, self._entry_hash, self._last, self._fd = None, 0, NOTHING, NOTHING, None
        if not there:
            return []
        data = there[-1].read()
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and len(there) > 1:  # its first line is unfinished
            there.pop().path.unlink()
            return [*self._take_up(wall), Stamped(_unfinished(len(data)), wall)]
        if len(whole) < len(data):
            os.truncate(there[-1].path, len(whole))
            said.append(_unfinished(len(data) - len(whole)))
        said += self._read_last(there, whole, wall)
        return [Stamped(entry, wall) for entry in said]

    def _read_last(self, there: list[SegmentFile], data: bytes, wall: float) -> list[Entry]:
        verification = Verification(whole=False)
        verification.segment(there[-1].path.name, data)
        report, begun = verification.report(), verification.beginning
        if begun is None:  # no line of it is to be trusted: go on in a new log, which verifying then tells
            self.damage = f"{there[-1].path.name} is no segment of an audit log"
            begun = Beginning(there[-1].number, self._entropy(LOG_ID_BYTES).hex(), self._node, 1, NOTHING, "")
            self._begun = begun
            self._begin(wall)
            return [Entry("log.damaged", Outcome.FAILED, reason=self.damage)]
        self._begun = begun._replace(segment=there[-1].number)
        self._number, self._last = verification.last
        self._entry_hash = verification.last_entry or begun.after
        self._began = _seconds(begun.time)
        if report.good and begun.node == self._node:
            self._reopen(there[-1].path, len(data))
            return []
        self._begin(wall)
        if report.good:
            return [Entry("node.identity", Outcome.DONE, target=self._node, more={"before": begun.node})]
        self.damage = report.findings[0].text()
        return [Entry("log.damaged", Outcome.FAILED, reason=self.damage, times=len(report.findings) + report.more)]

    def _reopen(self, path: Path, size: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._bytes = size

    # ---- writing ----

    def _is_full(self, wall: float) -> bool:
        if self._begun is None or self._number < self._begun.first:  # there is no entry in it yet
            return False
        large = min(max(LEAST_BYTES, self.keep.bytes // MOST_PARTS), MOST_BYTES, self.keep.bytes // LEAST_PARTS)
        return self._bytes >= large or abs(wall - self._began) >= SEGMENT_SECONDS

    def _begin(self, wall: float) -> None:
        """A new segment. The one before stays as it is."""
        before = self._begun
        log = self._entropy(LOG_ID_BYTES).hex() if before is None else before.log
        number = 1 if before is None else before.segment + 1
        beginning = Beginning(number, log, self._node, self._number + 1, self._last, utc_text(wall))
        path, text = segment_path(self._folder, number), beginning.text()
        hash_ = next_hash(SEGMENT_LABEL, self._last, text)
        line = line_of(hash_, text)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            write_all(fd, line)
            os.fsync(fd)
            sync_folder(self._folder)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self._let_go()
        self._fd, self._bytes, self._begun, self._began, self._last = fd, len(line), beginning, wall, hash_

    def _write(self, entries: Sequence[Stamped]) -> None:
        assert self._fd is not None
        number, entry_hash, last, lines = self._number, self._entry_hash, self._last, []
        for entry, wall in entries:
            number += 1
            text = text_of(entry, number, utc_text(wall))
            entry_hash = last = next_hash(ENTRY_LABEL, last, text)
            lines.append(line_of(last, text))
        data = b"".join(lines)
        try:
            write_all(self._fd, data)
        except OSError:
            self._take_back(self._fd)
            raise
        try:
            os.fdatasync(self._fd)
        except OSError:  # what of it is on the disk nobody knows: it is read again
            self._let_go()
            raise
        self._bytes += len(data)
        self._number, self._entry_hash, self._last = number, entry_hash, last

    def _take_back(self, fd: int) -> None:
        """Half a line may be there."""
        try:
            os.ftruncate(fd, self._bytes)
        except OSError:  # it is found when the file is taken up again
            self._let_go()

    def _too_many(self, closed: Sequence[SegmentFile], wall: float) -> tuple[list[SegmentFile], str]:
        """Those that are to go, and why."""
        looks = [(each, each.path.stat()) for each in closed]
        size = self._bytes + sum(found.st_size for _, found in looks)
        going = []
        for each, found in looks:
            if size <= self.keep.bytes:
                break
            going.append(each)
            size -= found.st_size
        if not going and looks and wall - looks[0][1].st_mtime > self.keep.seconds:
            return [looks[0][0]], "age"
        return going, "size"


def beginning_in(segment: SegmentFile) -> Beginning | None:
    """What its first line says; None if that is none. Raises OSError."""
    with segment.path.open("rb") as file:
        try:
            return beginning_of(read_line(file.readline(MOST_LINE_BYTES).rstrip(b"\n")))
        except LineDamaged:
            return None


def write_all(fd: int, data: bytes) -> None:
    """Raises OSError; some of it may be written then."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def _seconds(text: str) -> float:
    """A time of RFC 3339 in Unix seconds; 0 if it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _unfinished(count: int) -> Entry:
    """A write was interrupted: by a kill, or the power."""
    return Entry("log.unfinished", Outcome.DONE, reason="interrupted", more={"bytes": count})

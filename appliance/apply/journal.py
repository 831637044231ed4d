"""The undo journal: an append-only file that is on disk before anything is done that it tells of. See `records` for its lines.

It stays while something is applied, because it knows how to undo that. It lies in a tmpfs, because what it describes ends with
the kernel too: a journal from before the last boot is void. If anything else is wrong with it, that is an error and the file is
left alone: not believing it would mean that something is never undone, without a word.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from appliance.api.planning import Step
from appliance.apply.records import HEAD_BYTES, Damaged, Generation, JournalState, decode, encode, encode_head, replay
from appliance.errors import ExitCode, HostError
from appliance.planning.render import step_to_json

FILE = "journal"
NEW = "journal.new"
WAY_OUT = (
    "it is kept. A reboot makes it void with all that it describes. To stay up, remove by hand what is left of the node (its "
    "interface; `ip route show proto 76`, `ip rule`; `nft delete table inet appliance`; settings) and then the file"
)


class JournalDamaged(HostError):
    """The undo journal cannot be believed, so nothing was done. Only a person or a reboot changes that."""

    exit_code = ExitCode.WITHHELD


class Journal:
    """The journal of one state directory. Only the holder of the directory's lock may write.

    Raises HostError if it cannot write (a full disk): the caller must not do the step that it announced. Raises JournalDamaged if
    what is there is not what was written.
    """

    def __init__(self, directory: Path, *, boot_id: str, netns: int) -> None:
        self._path = directory / FILE
        self._boot_id = boot_id
        self._netns = netns
        self._size = 0
        self._records = 0
        self.state = JournalState(boot_id, netns)
        self._load()

    def begin(self, steps: Sequence[Step], confirm_within: float | None = None) -> Generation:
        """Announce a plan, with all that is needed to undo it."""
        number = self.state.last.number + 1 if self.state.last else 1
        self._append(
            "begin",
            number,
            steps=[step_to_json(step) for step in steps],
            confirm_within=confirm_within,
            boot_id=self._boot_id,
            netns=self._netns,
        )
        generation = Generation(number, tuple(steps), confirm_within)
        self.state.generations.append(generation)
        return generation

    def will(self, generation: Generation, *steps: int) -> None:
        """These steps are about to be done."""
        self._append("will", generation.number, steps=steps)
        generation.touched += steps

    def applied(self, generation: Generation) -> None:
        """All its steps are done and verified."""
        self._append("applied", generation.number)
        generation.applied = True

    def confirmed(self, generation: Generation) -> None:
        """The admin can still reach the host."""
        self._append("confirmed", generation.number)
        generation.confirmed = True

    def undoing(self, generation: int) -> None:
        """Everything from this generation on is about to be undone."""
        self.state.undoing = generation
        self._append_if_possible("undoing", generation)

    def undone(self, generation: Generation, *steps: int) -> None:
        """These steps were undone, and the kernel shows it."""
        generation.forget(steps)
        self._append_if_possible("undone", generation.number, steps=steps)

    def reverted(self, generation: Generation) -> None:
        """Nothing of this generation is left. With the last generation the file goes too."""
        self.state.generations.remove(generation)
        if self.state.undoing == generation.number:
            self.state.undoing = None
        if self.state.generations:
            self._append_if_possible("reverted", generation.number)
        else:
            self.discard()

    def discard(self) -> None:
        """Remove the file. What it tells of must be undone, or void since the last boot."""
        for name in (FILE, NEW):
            self._path.with_name(name).unlink(missing_ok=True)
        self._sync_directory()
        self._size = self._records = 0

    def _load(self) -> None:
        data = _read(self._path)
        if data is None:
            return
        try:
            records, size = decode(data)
            state = replay(records)
        except Damaged as error:
            if self._is_void(error.records):
                return
            raise JournalDamaged(f"{self._path}, the undo journal, is damaged: {error}", hint=WAY_OUT) from error
        if self._is_void(records):
            return
        if state.netns != self._netns:
            raise HostError(
                f"{self._path} belongs to another network namespace",
                hint="a rootless node's does, which changes nothing here: `appliance apply` gives it a profile. Otherwise run "
                "it there, or set APPLIANCE_STATE_DIR to another directory",
            )
        self.state, self._records, self._size = state, len(records), size

    def _is_void(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """Was the host booted since, so that what the journal describes is gone?"""
        return bool(records) and records[0].get("boot_id", self._boot_id) != self._boot_id

    def _append_if_possible(self, kind: str, generation: int, **more: Any) -> None:
        """If the disk is full, undoing goes on without being recorded: undoing something twice does no harm."""
        try:
            self._append(kind, generation, **more)
        except HostError:
            return

    def _append(self, kind: str, generation: int, **more: Any) -> None:
        line = encode({"kind": kind, "generation": generation, **more})
        try:
            if self._size:
                self._add(line)
            else:
                self._create(line)
        except OSError as error:
            raise HostError(f"the undo journal cannot be written: {error}", hint="free some space in that file system") from error

    def _create(self, line: bytes) -> None:
        """The head and the first record appear together, so an empty journal is always a damaged one."""
        new = self._path.with_name(NEW)
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _write(fd, encode_head(1) + line, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        new.rename(self._path)
        self._sync_directory()
        self._records, self._size = 1, HEAD_BYTES + len(line)

    def _add(self, line: bytes) -> None:
        """First the record, then the head that counts it."""
        fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.ftruncate(fd, self._size)  # what a crash or a full disk has torn
            _write(fd, line, self._size)
            _write(fd, encode_head(self._records + 1), 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        self._records, self._size = self._records + 1, self._size + len(line)

    def _sync_directory(self) -> None:
        fd = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def forget_ended(directory: Path, *, netns: int) -> None:
    """Remove the journal there unless it tells of this network namespace: the namespace it tells of ended with the node that made
    it, so nothing is left to be undone. For rootless nodes only. Raises HostError, JournalDamaged."""
    path = directory / FILE
    data = _read(path)
    if data is None:
        return
    try:
        state = replay(decode(data)[0])
    except Damaged:
        return  # whoever opens it says so
    if state.netns != netns:
        path.unlink(missing_ok=True)


def _write(fd: int, rest: bytes, offset: int) -> None:
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written


def _read(path: Path) -> bytes | None:
    """The bytes of a journal that nobody else could have written; None if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)  # not to hang at a FIFO
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise HostError(f"the undo journal cannot be read: {error}", hint="run it as the user who applied the profile") from error
    except OSError as error:
        raise JournalDamaged(f"{path}, the undo journal, cannot be read: {error.strerror}", hint=WAY_OUT) from error
    wrong = _foreign(os.fstat(fd)) or _foreign_folder(path.parent.stat())
    if wrong:
        os.close(fd)
        raise JournalDamaged(f"{path}, the undo journal, is not to be trusted: {wrong}", hint=WAY_OUT)
    with os.fdopen(fd, "rb") as file:
        return file.read()


def _foreign(found: os.stat_result) -> str:
    """Why somebody else may have written this file; "" if nobody could."""
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    if found.st_uid != os.geteuid():
        return f"it belongs to user {found.st_uid}"
    if found.st_mode & 0o077:
        return f"others may open it (mode {found.st_mode & 0o777:04o}, not 0600)"
    return "" if found.st_nlink == 1 else "it has a second name"


def _foreign_folder(found: os.stat_result) -> str:
    if found.st_uid != os.geteuid():
        return f"its folder belongs to user {found.st_uid}"
    return f"others may write its folder (mode {found.st_mode & 0o777:04o})" if found.st_mode & 0o022 else ""

"""The undo journal: an append-only file, on disk before the deed it speaks of. See `records` for its lines.

It stays while something is applied, since it is what knows how to undo it. It lies in a tmpfs, because what it describes dies
with the kernel too; a journal from before the last boot is void.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.api.planning import Step
from appliance.apply.records import Generation, JournalState, decode, encode, replay
from appliance.errors import HostError
from appliance.planning.render import step_to_json

FILE = "journal"


class Journal:
    """The journal of one state directory. Only the holder of the directory's lock may write.

    Raises HostError when it cannot write (a full disk): the caller must then not do the step it announced.
    """

    def __init__(self, directory: Path, *, boot_id: str, netns: int) -> None:
        self._path = directory / FILE
        self._boot_id = boot_id
        self._netns = netns
        self._size = 0
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

    def will(self, generation: Generation, step: int) -> None:
        """The step is about to be done."""
        self._append("will", generation.number, step=step)
        generation.touched.append(step)

    def applied(self, generation: Generation) -> None:
        """All its steps are done and verified."""
        self._append("applied", generation.number)
        generation.applied = True

    def confirmed(self, generation: Generation) -> None:
        """The admin still has the host."""
        self._append("confirmed", generation.number)
        generation.confirmed = True

    def undoing(self, generation: int) -> None:
        """From this generation on, everything is about to be undone."""
        self.state.undoing = generation
        self._append_if_possible("undoing", generation)

    def undone(self, generation: Generation, step: int) -> None:
        """The step's undo is done and verified."""
        generation.touched.remove(step)
        self._append_if_possible("undone", generation.number, step=step)

    def reverted(self, generation: Generation) -> None:
        """Nothing of it is left. With the last generation the file goes too."""
        self.state.generations.remove(generation)
        if self.state.undoing == generation.number:
            self.state.undoing = None
        if self.state.generations:
            self._append_if_possible("reverted", generation.number)
        else:
            self.discard()

    def discard(self) -> None:
        """Remove the file. What it speaks of must be undone, or void since the last boot."""
        self._path.unlink(missing_ok=True)
        self._sync_directory()
        self._size = 0

    def _load(self) -> None:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise HostError(
                f"the undo journal cannot be read: {error}", hint="run it as the user who applied the profile"
            ) from error
        records, self._size = decode(data)
        state = replay(records)
        if not records or state.boot_id != self._boot_id:
            self._size = 0  # nothing was done yet, or the host has been booted since and forgotten it
            return
        if state.netns != self._netns:
            raise HostError(
                f"{self._path} belongs to another network namespace",
                hint="run it there, or set APPLIANCE_STATE_DIR to another directory",
            )
        self.state = state

    def _append_if_possible(self, kind: str, generation: int, **more: Any) -> None:
        """On a full disk undoing goes on without being recorded: doing an undo twice does no harm."""
        try:
            self._append(kind, generation, **more)
        except HostError:
            return

    def _append(self, kind: str, generation: int, **more: Any) -> None:
        line = encode({"kind": kind, "generation": generation, **more})
        try:
            fresh = self._size == 0
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.ftruncate(fd, self._size)  # what a crash or a full disk has torn
                self._write(fd, line)
            finally:
                os.close(fd)
            if fresh:
                self._sync_directory()
        except OSError as error:
            raise HostError(f"the undo journal cannot be written: {error}", hint="free some space in that file system") from error

    def _write(self, fd: int, line: bytes) -> None:
        rest, offset = line, self._size
        while rest:
            written = os.pwrite(fd, rest, offset)
            rest, offset = rest[written:], offset + written
        os.fsync(fd)
        self._size = offset

    def _sync_directory(self) -> None:
        fd = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

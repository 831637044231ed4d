"""What a receiver has of one sender: files in their places, parts of others, and the journal that says how much of them counts.

    FOLDER/SENDER/…                        what the sender sent, under its names
    FOLDER/.receiving/SENDER/journal       see `seals`
    FOLDER/.receiving/SENDER/KEY           the part of a file that is not complete
    FOLDER/.receiving/SENDER/lock          held while a program receives here

The order in which things reach the disk is what makes every moment one to be killed in:

    data ─ fsync ─ journal: sealed ─ (complete) rename ─ fsync of the folder ─ journal: placed ─ the sender is told
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.files.errors import Unwilling
from appliance.files.folders import FOLDER, Folders, already_there, is_file
from appliance.files.seals import Seal, Seals, What
from appliance.foundation.whole_files import sync_folder
from appliance.linux import locks
from appliance.transfer.faults import Reason
from appliance.transfer.manifest import KEY_BYTES, Entry, key_of
from appliance.transfer.tree import CHUNK_BYTES, Tree, chunks_of

STATE: Final = ".receiving"
LOCK: Final = "lock"
_PART: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNERS: Final = 0o600
_COARSE_NS: Final = 2_000_000_000
"""FAT keeps even seconds."""


class Part:
    """A file that is being received. `tree` grows with what is written."""

    def __init__(self, fd: int, file: int, entry: Entry, key: bytes, tree: Tree) -> None:
        self.fd = fd
        self.file = file
        self.entry = entry
        self.key = key
        self.tree = tree
        self.is_new = not tree.chunks
        """No record tells of it yet."""

    @property
    def name(self) -> str:
        """What it is called among the parts."""
        return self.key.hex()

    @property
    def seal(self) -> Seal:
        """What the journal is to say of it, once its data are on the disk."""
        return Seal(What.SEALED, self.key, self.tree.chunks, self.tree.hashes)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Raises OSError."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self.fd, rest, offset)
            rest, offset = rest[written:], offset + written

    def complete(self, mode: int) -> None:
        """Make it what it is to be in its place: length, permissions, time. The kernel begins to write it. Raises OSError."""
        os.ftruncate(self.fd, self.entry.size)
        os.fchmod(self.fd, mode)
        os.utime(self.fd, ns=(self.entry.mtime_ns, self.entry.mtime_ns))
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """Give the descriptor up."""
        os.close(self.fd)


class Shelf:
    """Of one sender in one folder. Several transfers of that sender may use it, each in a thread. Raises OSError, HostError and
    locks.Busy when it is made."""

    def __init__(self, folder: Path, name: str, identity: str, *, overwrite: bool, umask: int) -> None:
        self._identity = identity
        self._overwrite = overwrite
        self._mode = 0o777 & ~umask
        state = folder / STATE / name
        for made, permissions in ((state.parent, 0o700), (state, 0o700), (folder / name, 0o777)):
            made.mkdir(permissions, exist_ok=True)
            sync_folder(made.parent)
        held = locks.try_hold(state / LOCK)
        if held is None:
            raise locks.Busy(f"another program receives into {folder}", hint="wait until it has ended, or name another folder")
        self._lock_fd = held
        self._folders = Folders(folder / name)
        self._state = os.open(state, FOLDER)
        self._seals = Seals(self._state)
        self._lock = threading.RLock()
        self._drop_parts_without_seal()

    def close(self) -> None:
        """Give all descriptors up, and the lock."""
        self._seals.close()
        self._folders.close()
        os.close(self._state)
        os.close(self._lock_fd)

    def key_of(self, entry: Entry) -> bytes:
        """The key of a file of this sender."""
        return key_of(self._identity, entry)

    def make_folder(self, path: bytes) -> None:
        """It is there when this returns. Raises Unwilling, OSError."""
        with self._lock:
            self._folders.enter(path)

    def there(self, entry: Entry) -> Tree | None:
        """What is there of a file; None if nothing is. One that is complete has its place when this returns. Raises Unwilling if
        something else has its name, and OSError."""
        with self._lock:
            key = self.key_of(entry)
            found = self._folders.find(entry.path)
            seal = self._seals.get(key)
            if seal is not None and self._is_placed(seal, entry, found):
                return seal.tree
            if found is not None and not (self._overwrite and is_file(found)):
                raise already_there(entry.path)
            if seal is None:
                return None
            if seal.what is not What.SEALED or self._part_bytes(seal) < min(seal.chunks * CHUNK_BYTES, entry.size):
                self._forget(key)
                return None
            if seal.chunks == chunks_of(entry.size):
                self._complete_anew(seal, entry)
            return seal.tree

    def open(self, file: int, entry: Entry, tree: Tree) -> Part:
        """Go on with a file whose first chunks are there, or begin. Raises OSError."""
        key = self.key_of(entry)
        fd = os.open(key.hex(), _PART, _OWNERS, dir_fd=self._state)
        os.ftruncate(fd, min(tree.chunks * CHUNK_BYTES, entry.size))  # what was not sealed; holes must be holes
        return Part(fd, file, entry, key, tree)

    def seal(self, complete: Sequence[Part], within: Part | None) -> None:
        """Bring all to the disk: the complete ones get their names. Raises Unwilling, OSError; then what was sealed before
        counts."""
        for part in complete:
            part.complete(part.entry.mode & self._mode)
        for part in complete:  # a file system that keeps a journal brings most of them to the disk with the first
            os.fsync(part.fd)
        if within is not None:
            os.fdatasync(within.fd)
        parts = [*complete, within] if within is not None else complete
        if any(part.is_new for part in parts):
            os.fsync(self._state)
        with self._lock:
            self._seals.append(part.seal for part in parts)
            self._place(complete)

    def discard(self, part: Part) -> None:
        """Nothing of it counts. Raises OSError."""
        with self._lock:
            self._forget(part.key)

    def _place(self, complete: Sequence[Part]) -> None:
        placed: list[Seal] = []
        try:
            for part in complete:
                found = self._folders.place(self._state, part.name, part.entry.path, overwrite=self._overwrite)
                placed.append(part.seal._replace(what=What.PLACED, inode=found.st_ino, mtime_ns=found.st_mtime_ns))
        finally:
            self._folders.sync()
            self._seals.append(placed)

    def _is_placed(self, seal: Seal, entry: Entry, found: os.stat_result | None) -> bool:
        """Is what has the file's name this very file?"""
        if found is None or not is_file(found) or found.st_size != entry.size:
            return False
        if seal.what is What.PLACED:
            return (found.st_ino, found.st_mtime_ns) == (seal.inode, seal.mtime_ns)
        whole = seal.chunks == chunks_of(entry.size) and self._part_bytes(seal) < 0
        if not whole or abs(found.st_mtime_ns - entry.mtime_ns) > _COARSE_NS:
            return False
        # Killed between the rename and the record of it.
        self._seals.append([seal._replace(what=What.PLACED, inode=found.st_ino, mtime_ns=found.st_mtime_ns)])
        return True

    def _complete_anew(self, seal: Seal, entry: Entry) -> None:
        """Killed between the seal of a whole file and its rename."""
        part = self.open(0, entry, seal.tree)
        try:
            part.complete(entry.mode & self._mode)
            os.fsync(part.fd)
            self._place([part])
        finally:
            part.close()

    def _part_bytes(self, seal: Seal) -> int:
        """The length of a part; -1 if there is none."""
        try:
            found = os.stat(seal.key.hex(), dir_fd=self._state, follow_symlinks=False)
        except FileNotFoundError:
            return -1
        return found.st_size if is_file(found) else -1

    def _forget(self, key: bytes) -> None:
        with suppress(FileNotFoundError):
            os.unlink(key.hex(), dir_fd=self._state)
        if self._seals.get(key) is not None:
            self._seals.append([Seal(What.FORGOTTEN, key)])

    def _drop_parts_without_seal(self) -> None:
        kept = {key.hex() for key in self._seals.parts()}
        for name in os.listdir(self._state):  # noqa: PTH208 - of a descriptor
            if len(name) == 2 * KEY_BYTES and name not in kept:
                os.unlink(name, dir_fd=self._state)


def wrong_disk(error: OSError) -> Unwilling:
    """What the other side is told of an error of this disk: no paths."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unwilling(Reason.NO_ROOM, "the disk is full")
    return Unwilling(Reason.FAILED, (error.strerror or "the file system refused").lower())

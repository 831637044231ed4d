"""What is to be sent, as it is on this disk: names, versions, chunks and holes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from appliance.files.errors import CannotSend
from appliance.transfer.faults import TransferFault
from appliance.transfer.manifest import MODE_BITS, VERSION_BYTES, Entry, Kind, Manifest
from appliance.transfer.tree import CHUNK_BYTES

_OPENING: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Not to hang at a pipe that has taken a file's place."""


class Changed(Exception):
    """The file is not what was offered any more: it was changed, replaced or removed, or cannot be read."""


class Place(NamedTuple):
    """Where an entry lies on this disk."""

    path: bytes
    named: bool
    """Somebody typed it, so a link is followed."""


class Source:
    """Files and folders that were named. Links, devices, pipes and sockets within folders are left out. A named link is followed,
    and what else is named is an error."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises CannotSend."""
        self._named = {os.fsencode(_name_of(path)): path for path in paths}
        if len(self._named) < len(paths):
            raise CannotSend("two of the paths have the same name", hint="send them one after the other")
        self.left_out: list[bytes] = []
        self._places: list[Place] = []
        self.manifest = Manifest()

    def look(self) -> Manifest:
        """What there is now. Raises CannotSend."""
        self.left_out, self._places, self.manifest = [], [], Manifest()
        try:
            for name, path in sorted(self._named.items()):
                self._add(name, Place(os.fsencode(path), named=True), path.stat())
        except TransferFault as fault:
            raise CannotSend(f"this cannot be sent: {fault.message}", hint="send less at a time, or other names") from fault
        except OSError as error:
            where = os.fsdecode(error.filename or "")
            raise CannotSend(f"{where}: {(error.strerror or '').lower()}", hint="check the path, and who may read it") from error
        return self.manifest

    def open(self, file: int) -> Reading:
        """Begin with one file of the manifest. Raises Changed."""
        place = self._places[file]
        try:
            fd = os.open(place.path, _OPENING | (0 if place.named else os.O_NOFOLLOW))
        except OSError as error:
            raise Changed(error.strerror) from error
        reading = Reading(fd, self.manifest[file])
        try:
            reading.verify()
        except Changed:
            reading.close()
            raise
        return reading

    def _add(self, path: bytes, place: Place, found: os.stat_result) -> None:
        mode = stat.S_IMODE(found.st_mode) & MODE_BITS
        if stat.S_ISREG(found.st_mode):
            self.manifest.add(Entry(Kind.FILE, path, mode, found.st_size, found.st_mtime_ns, version_of(found)))
            self._places.append(place)
        elif stat.S_ISDIR(found.st_mode):
            self.manifest.add(Entry(Kind.FOLDER, path, mode, 0, found.st_mtime_ns, bytes(VERSION_BYTES)))
            self._places.append(place)
            with os.scandir(place.path) as listed:
                children = sorted(listed, key=lambda child: child.name)
            for child in children:
                with suppress(FileNotFoundError):  # it was removed meanwhile
                    below = Place(child.path, named=False)
                    self._add(path + b"/" + child.name, below, child.stat(follow_symlinks=False))
        elif place.named:
            raise CannotSend(f"{os.fsdecode(place.path)} is no file and no folder", hint="devices, pipes and sockets stay here")
        else:
            self.left_out.append(path)


class Reading:
    """An open file that is being sent."""

    def __init__(self, fd: int, entry: Entry) -> None:
        self._fd = fd
        self._entry = entry
        self._data_until = 0
        """No hole before it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def verify(self) -> None:
        """Is it still what was offered? Raises Changed."""
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode) or version_of(found) != self._entry.version:
            raise Changed("it was changed")

    def hole(self, offset: int) -> int:
        """So many full chunks from `offset` on are a hole."""
        if offset < self._data_until:
            return 0
        size = self._entry.size
        data = min(_seek(self._fd, offset, os.SEEK_DATA, size), size)
        if chunks := (data - offset) // CHUNK_BYTES:
            return chunks
        self._data_until = _seek(self._fd, data, os.SEEK_HOLE, size)
        return 0

    def chunk(self, offset: int) -> bytes:
        """The chunk that begins there. Raises Changed."""
        wanted = min(CHUNK_BYTES, self._entry.size - offset)
        try:
            data = os.pread(self._fd, wanted, offset)
            while len(data) < wanted and (more := os.pread(self._fd, wanted - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise Changed(error.strerror) from error
        if len(data) < wanted:
            raise Changed("it became shorter")
        return data

    def close(self) -> None:
        """Done with it."""
        os.close(self._fd)


def version_of(found: os.stat_result) -> bytes:
    """Others once the file was written to or replaced: no program can set the time of change (ctime) back."""
    said = f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
    return hashlib.sha256(said.encode()).digest()[:VERSION_BYTES]


def _name_of(path: Path) -> str:
    name = path.name if path.name not in ("", "..") else path.resolve().name
    if not name:
        raise CannotSend(f"{path} has no name that it could have elsewhere", hint="name a folder below it")
    return name


def _seek(fd: int, offset: int, whence: int, size: int) -> int:
    """The next data, or the next hole; the end if there is none."""
    try:
        return os.lseek(fd, offset, whence)
    except OSError as error:
        if error.errno != errno.ENXIO:
            return offset if whence == os.SEEK_DATA else size  # a file system that knows no holes
        return size

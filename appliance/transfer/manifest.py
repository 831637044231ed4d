"""What a sender offers: folders and files by their paths, each folder before what is in it.

     0       1       3               11              19                      35      37
    +-------+-------+---------------+---------------+-----------------------+-------+------------
    | kind  | mode  | size          | mtime, ns     | version               | length| path
    +-------+-------+---------------+---------------+-----------------------+-------+------------

A path is relative, its parts are joined by "/", and it is bytes, as Linux has it. `version` is another one whenever the file was
changed: with path, size and sender it is the key under which a receiver keeps what it has of a file, so two versions never mix.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from appliance.transfer.faults import Reason, TransferFault

MAX_ENTRIES: Final = 100_000
MAX_PATHS_BYTES: Final = 16 << 20
"""Of all paths of one offer together: with the entries' own fields some 40 MB of memory."""
MAX_PATH_BYTES: Final = 4_096
"""PATH_MAX."""
MAX_NAME_BYTES: Final = 255
"""NAME_MAX of every usual file system."""
MAX_DEPTH: Final = 64
"""A folder is one descriptor while a path is walked."""
MAX_FILE_BYTES: Final = 1 << 50
VERSION_BYTES: Final = 16
KEY_BYTES: Final = 16
MODE_BITS: Final = 0o777
_FIELDS: Final = struct.Struct(f">BHQq{VERSION_BYTES}sH")


class Kind(IntEnum):
    """What an entry is. Nothing else travels: no links, devices, sockets or pipes."""

    FOLDER = 0
    FILE = 1


class Entry(NamedTuple):
    """One folder or file."""

    kind: Kind
    path: bytes
    mode: int
    """Permission bits, without set-user-ID and the like."""
    size: int
    """In bytes; 0 for a folder."""
    mtime_ns: int
    version: bytes

    @property
    def is_file(self) -> bool:
        """Is it a file?"""
        return self.kind is Kind.FILE


class Manifest:
    """All entries of one offer, in order. What is in it has been judged."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: list[Entry] = []
        self._kinds: dict[bytes, Kind] = {b"": Kind.FOLDER}
        self._paths_bytes = 0
        self.size = 0
        """Bytes of all files."""
        for entry in entries:
            self.add(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Entry:
        return self._entries[index]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def add(self, entry: Entry) -> None:
        """One more. Raises TransferFault if it cannot be taken."""
        judge_path(entry.path)
        self._paths_bytes += len(entry.path)
        if len(self._entries) >= MAX_ENTRIES or self._paths_bytes > MAX_PATHS_BYTES:
            raise TransferFault(Reason.TOO_MANY, f"more than {MAX_ENTRIES} files, or {MAX_PATHS_BYTES} bytes of names")
        if entry.size > (MAX_FILE_BYTES if entry.is_file else 0) or entry.mode & ~MODE_BITS:
            raise TransferFault(Reason.NOT_UNDERSTOOD, "a size or a mode that nothing can have")
        if entry.path in self._kinds:
            raise TransferFault(Reason.BAD_NAME, "a name that is there twice")
        if self._kinds.get(entry.path.rpartition(b"/")[0]) is not Kind.FOLDER:
            raise TransferFault(Reason.BAD_NAME, "a name in a folder that was not offered before")
        self._kinds[entry.path] = entry.kind
        self._entries.append(entry)
        self.size += entry.size


def judge_path(path: bytes) -> None:
    """Raises TransferFault unless `path` is relative, leads downwards only, and can exist."""
    names = path.split(b"/")
    if not path or len(path) > MAX_PATH_BYTES or len(names) > MAX_DEPTH or b"\0" in path:
        raise TransferFault(Reason.BAD_NAME, "a path that no file can have")
    for name in names:
        if name in (b"", b".", b"..") or len(name) > MAX_NAME_BYTES:
            raise TransferFault(Reason.BAD_NAME, "a path that could lead elsewhere, or is too long")


def key_of(sender: str, entry: Entry) -> bytes:
    """Under which a receiver keeps what it has of a file of this sender."""
    digest = hashlib.sha256()
    for part in (sender.encode(), entry.path, entry.size.to_bytes(8, "big"), entry.version):
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()[:KEY_BYTES]


def encode_entry(entry: Entry) -> bytes:
    """Its bytes in an ENTRIES frame."""
    kind, path, mode, size, mtime_ns, version = entry
    return _FIELDS.pack(kind, mode, size, mtime_ns, version, len(path)) + path


def decode_entries(body: bytes) -> Sequence[Entry]:
    """The entries of one frame. Raises TransferFault if it does not consist of such. What they say is not judged yet."""
    entries: list[Entry] = []
    at = 0
    while at < len(body):
        begin = at + _FIELDS.size
        if begin > len(body):
            raise TransferFault(Reason.NOT_UNDERSTOOD, "an entry is cut off")
        kind, mode, size, mtime_ns, version, length = _FIELDS.unpack_from(body, at)
        at = begin + length
        if at > len(body) or kind not in (Kind.FOLDER, Kind.FILE):
            raise TransferFault(Reason.NOT_UNDERSTOOD, "an entry is cut off, or of an unknown kind")
        entries.append(Entry(Kind(kind), body[begin:at], mode, size, mtime_ns, version))
    return entries

"""The journal of what a receiver has of each file: an append-only file beside the parts, read when one begins.

     0               2           2 + length         + 8
    +---------------+-----------+------------------+
    | length        | body      | SHA-256, cut off |
    +---------------+-----------+------------------+
                      what u8 · key 16 · chunks u64 · inode u64 · mtime i64, ns · hashes

A record says no more than what was brought to the disk before it was written. The first one that is not whole ends the journal: a
crash has torn it, and what it would have said is received once more. Of several for one key the last counts.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from enum import IntEnum
from typing import Final, NamedTuple

from appliance.transfer.manifest import KEY_BYTES
from appliance.transfer.tree import HASH_BYTES, Tree

NAME: Final = "journal"
NEW: Final = "journal.new"
MAGIC: Final = b"LLPSEAL1"
MOST_PLACED: Final = 100_000
"""Files that are complete and remembered. As many as an offer may have: it can be answered once more."""
COMPACT_BYTES: Final = 4 << 20
"""A journal that is longer is written anew when it is read, with what counts."""
RESERVE_BYTES: Final = 65_536
LEAST_RESERVE: Final = 8_192
"""Kept free in the journal's last block, so that a full disk can still be told of."""
_LENGTH: Final = struct.Struct(">H")
_BODY: Final = struct.Struct(f">B{KEY_BYTES}sQQq")
_CHECK_BYTES: Final = 8


class What(IntEnum):
    """What a record says."""

    SEALED = 1
    """The chunks are in the part."""
    PLACED = 2
    """The file is complete and has its name. Inode and time say which file that was."""
    FORGOTTEN = 3
    """There is no part any more."""


class Seal(NamedTuple):
    """What is known of one key."""

    what: What
    key: bytes
    chunks: int = 0
    hashes: tuple[bytes, ...] = ()
    inode: int = 0
    mtime_ns: int = 0

    @property
    def tree(self) -> Tree:
        """The tree as it was then."""
        return Tree(self.chunks, self.hashes)


class Seals:
    """The journal in one folder. Its owner alone writes it. Raises OSError."""

    def __init__(self, folder: int) -> None:
        self._folder = folder
        self._fd = _open(folder, NAME)
        self._seals: dict[bytes, Seal] = {}
        self._end = self._load()
        if self._end > COMPACT_BYTES:
            self._compact()
        self._reserve()

    def get(self, key: bytes) -> Seal | None:
        """The last that was said of it."""
        return self._seals.get(key)

    def parts(self) -> set[bytes]:
        """All that have a part."""
        return {key for key, seal in self._seals.items() if seal.what is What.SEALED}

    def append(self, seals: Iterable[Seal]) -> None:
        """Say so. On the disk when this returns."""
        written = b"".join(map(_encode, said := list(seals)))
        if not written:
            return
        _write(self._fd, written, self._end)
        os.fdatasync(self._fd)
        self._end += len(written)
        self._take(said)
        self._reserve()

    def close(self) -> None:
        """Give the descriptor up."""
        os.close(self._fd)

    def _load(self) -> int:
        """Read all, and cut off what is not whole. The end."""
        with os.fdopen(os.dup(self._fd), "rb") as file:
            data = file.read()
        if not data.startswith(MAGIC):
            os.ftruncate(self._fd, 0)
            _write(self._fd, MAGIC, 0)
            return len(MAGIC)
        seals, end = _decode(data)
        self._take(seals)
        os.ftruncate(self._fd, end)
        return end

    def _take(self, seals: Iterable[Seal]) -> None:
        for seal in seals:
            self._seals.pop(seal.key, None)
            if seal.what is not What.FORGOTTEN:
                self._seals[seal.key] = seal

    def _compact(self) -> None:
        """Write anew what counts: every part, and the last of those that have their names."""
        placed = [key for key, seal in self._seals.items() if seal.what is What.PLACED]
        for key in placed[: max(0, len(placed) - MOST_PLACED)]:
            del self._seals[key]
        data = MAGIC + b"".join(map(_encode, self._seals.values()))
        with suppress(FileNotFoundError):
            os.unlink(NEW, dir_fd=self._folder)
        fd = _open(self._folder, NEW)
        _write(fd, data, 0)
        os.fsync(fd)
        os.rename(NEW, NAME, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        os.fsync(self._folder)
        os.close(self._fd)
        self._fd, self._end = fd, len(data)

    def _reserve(self) -> None:
        if os.fstat(self._fd).st_size - self._end < LEAST_RESERVE:
            with suppress(OSError):  # a full disk, or a file system that cannot
                os.posix_fallocate(self._fd, self._end, RESERVE_BYTES)


def _open(folder: int, name: str) -> int:
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)


def _write(fd: int, rest: bytes, offset: int) -> None:
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written


def _encode(seal: Seal) -> bytes:
    body = _BODY.pack(seal.what, seal.key, seal.chunks, seal.inode, seal.mtime_ns) + b"".join(seal.hashes)
    return _LENGTH.pack(len(body)) + body + _check(body)


def _decode(data: bytes) -> tuple[list[Seal], int]:
    """The records, and where the last whole one ends."""
    seals: list[Seal] = []
    at = len(MAGIC)
    while at + _LENGTH.size <= len(data):
        begin = at + _LENGTH.size
        end = begin + _LENGTH.unpack_from(data, at)[0]
        body = data[begin:end]
        if len(body) < _BODY.size or data[end : end + _CHECK_BYTES] != _check(body):
            break
        what, key, chunks, inode, mtime_ns = _BODY.unpack_from(body)
        hashes = tuple(body[place : place + HASH_BYTES] for place in range(_BODY.size, len(body), HASH_BYTES))
        if what not in set(What) or len(hashes) != chunks.bit_count():
            break  # of another version
        seals.append(Seal(What(what), key, chunks, hashes, inode, mtime_ns))
        at = end + _CHECK_BYTES
    return seals, at


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_CHECK_BYTES]

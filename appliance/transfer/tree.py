"""The Merkle tree over a file's chunks, built while the file passes and kept between two tries.

It is the Merkle Tree Hash of RFC 9162, section 2.1.1, with SHA-256, over chunks of 256 KiB (the last may be shorter):

    leaf    SHA-256(0x00 ‖ chunk)          node    SHA-256(0x01 ‖ left ‖ right)          no chunk at all    SHA-256("")

Of n chunks only the hashes of complete subtrees are kept, one for each bit of n that is set, the largest first. With them hashing
goes on where it ended, so no byte is ever hashed twice. The root depends on the content alone, however it was sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Final

CHUNK_BYTES: Final = 262_144
"""Chosen: a slow path (64 kbit/s) brings one in half a minute, and a fast one has 8 frames for 2 MiB."""
HASH_BYTES: Final = 32


class Tree:
    """A tree that grows at its end."""

    __slots__ = ("_chunks", "_hashes")

    def __init__(self, chunks: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """As it was when `chunks` and `hashes` were read. Raises ValueError if they do not fit each other."""
        if chunks < 0 or len(hashes) != chunks.bit_count() or any(len(each) != HASH_BYTES for each in hashes):
            raise ValueError("so many chunks have other subtrees")
        self._chunks = chunks
        self._hashes = list(hashes)

    @property
    def chunks(self) -> int:
        """How many chunks are in it."""
        return self._chunks

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Those of its complete subtrees, the largest first."""
        return tuple(self._hashes)

    def add(self, leaf: bytes) -> None:
        """One more chunk, by its hash."""
        self._push(leaf, 1)

    def add_zeros(self, chunks: int) -> None:
        """So many more chunks of zeros, each of full length. Takes a few steps, however many they are."""
        while chunks > 0:
            width = 1 << (chunks.bit_length() - 1)
            if self._chunks:
                width = min(width, self._chunks & -self._chunks)
            self._push(_zeros(width.bit_length() - 1), width)
            chunks -= width

    def root(self) -> bytes:
        """The hash of all chunks so far."""
        if not self._hashes:
            return hashlib.sha256().digest()
        *others, root = self._hashes
        for left in reversed(others):
            root = _node(left, root)
        return root

    def _push(self, subtree: bytes, width: int) -> None:
        """A complete subtree of `width` chunks; as many are in the tree's last place, or more."""
        before, self._chunks = self._chunks, self._chunks + width
        while before & width:
            subtree = _node(self._hashes.pop(), subtree)
            width <<= 1
        self._hashes.append(subtree)


def leaf_of(chunk: bytes | memoryview) -> bytes:
    """The hash of one chunk."""
    digest = hashlib.sha256(b"\0")
    digest.update(chunk)
    return digest.digest()


def chunks_of(size: int) -> int:
    """How many chunks a file of `size` bytes has."""
    return -(-size // CHUNK_BYTES)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


@cache
def _zeros(level: int) -> bytes:
    """The root of 2^level chunks of zeros."""
    return _node(_zeros(level - 1), _zeros(level - 1)) if level else leaf_of(bytes(CHUNK_BYTES))

"""What a node knows of its network: the members' rows, and the statements of the owner and of issuers.

Both are entries with a single writer, so nothing is ever merged: of a row the higher sequence wins, and a statement is there or
not. Entries are sorted into 256 buckets by the first byte of their keys; a bucket's digest, and the root over all of them, tell
two nodes in a few bytes whether they know the same.

Memory is bounded by who is a member: there is one row each, of 2 KiB at most; what statements there are is `Trust`'s to bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from appliance.members.row import (
    FUTURE_SECONDS,
    Digest,
    Row,
    RowFault,
    RowRefused,
    Verifier,
    ed25519_good,
    head_of,
    judge_signature,
    read_row,
)
from appliance.protocol.digests import sha256

BUCKETS: Final = 256
KEY_BYTES: Final = 16
MARK_BYTES: Final = 8
ROOT_BYTES: Final = 16
BUCKET_BYTES: Final = 8
STATEMENT: Final = b"statement"


class Entry(NamedTuple):
    """A row or statement, as two rosters compare it."""

    key: bytes
    """16 bytes: the start of the member's digest, or a digest of the statement."""
    sequence: int
    """Of a row; 0 of a statement."""
    mark: bytes
    """8 bytes: a digest of its exact bytes."""
    encoded: bytes
    is_row: bool

    @property
    def rank(self) -> tuple[int, bytes]:
        """Of two entries with one key the higher rank stays, so that two rows with one sequence settle everywhere alike."""
        return self.sequence, self.mark

    @property
    def name(self) -> bytes:
        """Key and mark: this entry and no other version of it."""
        return self.key + self.mark


class Taken(NamedTuple):
    """A row that is new."""

    row: Row
    before: Row | None


class Roster:
    """The roster of one node in one network."""

    def __init__(self, network: Digest, verify: Verifier = ed25519_good) -> None:
        """`network`: the digest that its fingerprint spells."""
        self.network = network
        self.future = float(FUTURE_SECONDS)
        """How much later than now a row may have been written; without end where nobody knows the time."""
        self.refused: Counter[RowFault] = Counter()
        self.rows: dict[Digest, Row] = {}
        """By member. Read only."""
        self._verify = verify
        self._keys: Mapping[Digest, bytes] = {}
        self._statements: dict[bytes, bytes] = {}
        """The key of each statement's entry by its exact bytes."""
        self._buckets: list[dict[bytes, Entry]] = [{} for _ in range(BUCKETS)]
        self._digests: list[bytes] = [_digest(())] * BUCKETS
        self._stale: set[int] = set()
        """Buckets whose digests are of before."""
        self._root = b""

    def __len__(self) -> int:
        return sum(map(len, self._buckets))

    def __iter__(self) -> Iterator[Entry]:
        """All entries in the order of their keys."""
        for number in range(BUCKETS):
            yield from self.bucket(number)

    # ---- what changes it ----

    def use(self, keys: Mapping[Digest, bytes], statements: Iterable[bytes]) -> list[Entry]:
        """These are the members with their Ed25519 keys, and the statements, from now on. Rows of others go. Returns the entries
        that are new."""
        self._keys = keys
        for member in [member for member in self.rows if member not in keys]:
            del self.rows[member]
            self._take_out(member[:KEY_BYTES])
        there = dict.fromkeys(statements)
        for encoded in [encoded for encoded in self._statements if encoded not in there]:
            self._take_out(self._statements.pop(encoded))
        new = []
        for encoded in [encoded for encoded in there if encoded not in self._statements]:
            entry = statement_entry(encoded)
            self._statements[encoded] = entry.key
            self._put_in(entry)
            new.append(entry)
        return new

    def take_row(self, encoded: bytes, wall: float) -> Taken:
        """A row came; `wall` is now in Unix seconds. Raises RowRefused, which is counted, and then nothing changed."""
        try:
            return self._take_row(encoded, wall)
        except RowRefused as refused:
            self.refused[refused.reason] += 1
            raise

    def _take_row(self, encoded: bytes, wall: float) -> Taken:
        network, member, _ = head_of(encoded)
        if network != self.network:
            raise RowRefused(RowFault.FOREIGN)
        key = self._keys.get(member)
        if key is None:
            raise RowRefused(RowFault.UNKNOWN)
        before = self.rows.get(member)
        entry = row_entry(encoded)
        known = self.entry(entry.key)
        if known is not None and known.rank >= entry.rank:
            raise RowRefused(RowFault.OLD)
        row = read_row(encoded)
        if row.written > wall + self.future:
            raise RowRefused(RowFault.FUTURE)
        judge_signature(encoded, key, self._verify)
        self.rows[member] = row
        self._put_in(entry)
        return Taken(row, before)

    # ---- what others compare ----

    def entry(self, key: bytes) -> Entry | None:
        """The entry of that key."""
        return self._buckets[key[0]].get(key)

    def row_of(self, member: Digest) -> bytes | None:
        """The exact bytes of a member's row."""
        entry = self.entry(member[:KEY_BYTES])
        return entry.encoded if entry is not None else None

    def bucket(self, number: int) -> list[Entry]:
        """The entries whose keys begin with that byte, in order."""
        return sorted(self._buckets[number].values())

    def digest_of(self, number: int) -> bytes:
        """8 bytes over a bucket."""
        if number in self._stale:
            self._stale.discard(number)
            self._digests[number] = _digest(self.bucket(number))
        return self._digests[number]

    def digests(self) -> bytes:
        """Those of all buckets, one after the other."""
        for number in list(self._stale):
            self.digest_of(number)
        return b"".join(self._digests)

    def root(self) -> bytes:
        """16 bytes over everything."""
        if not self._root:
            self._root = sha256(self.digests())[:ROOT_BYTES]
        return self._root

    def _put_in(self, entry: Entry) -> None:
        self._buckets[entry.key[0]][entry.key] = entry
        self._touch(entry.key)

    def _take_out(self, key: bytes) -> None:
        self._buckets[key[0]].pop(key, None)
        self._touch(key)

    def _touch(self, key: bytes) -> None:
        self._stale.add(key[0])
        self._root = b""


def _digest(entries: Iterable[Entry]) -> bytes:
    return sha256(b"".join(entry.name for entry in entries))[:BUCKET_BYTES]


def row_entry(encoded: bytes) -> Entry:
    """How a row is compared. Raises RowRefused for what does not look like one."""
    _, member, sequence = head_of(encoded)
    return Entry(member[:KEY_BYTES], sequence, sha256(encoded)[:MARK_BYTES], encoded, is_row=True)


def statement_entry(encoded: bytes) -> Entry:
    """How a statement is compared."""
    digest = sha256(STATEMENT + encoded)
    return Entry(digest[:KEY_BYTES], 0, digest[KEY_BYTES : KEY_BYTES + MARK_BYTES], encoded, is_row=False)

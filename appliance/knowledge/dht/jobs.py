"""A look-up with what it is for: to find members or records, or to have records kept by whom it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NamedTuple

from appliance.knowledge.dht.lookup import Lookup
from appliance.knowledge.dht.wire import Kind, Packed
from appliance.knowledge.signed import Record
from appliance.members.row import Digest

STORE_SECONDS: Final = 1.0
"""How long after the last moment of a look-up the members that it found may say that they keep the record."""
AGREE: Final = 6
"""So many members that all have the same records, two at least on each of two paths, are believed without asking all 20."""

MOST_READ: Final = 256
"""Records that a look-up remembers to have judged."""


class Why(Enum):
    """Who waits for it."""

    ASKED = auto()
    """A program: there is a `Finished`."""
    PUBLISH = auto()
    """Nobody: a record is to be kept by the members that are now the closest."""
    REFRESH = auto()
    """Nobody: the table."""


class Finished(NamedTuple):
    """What became of a look-up."""

    number: int
    ok: bool
    """get, providers: there is one; put, provide: somebody keeps it; find: the member answered."""
    records: tuple[Record, ...] = ()
    """Of get: what is valid, of each writer one; the highest sequence first."""
    providers: tuple[Digest, ...] = ()
    """Of providers: members that say that they have it."""
    contacts: tuple[Digest, ...] = ()
    """Members that answered, the closest first; of find the member itself first, if it did."""
    hops: int = 0
    """To the member that answered what was looked for."""
    seconds: float = 0.0
    stored_at: int = 0
    """Of put and provide: how many members keep it, this node included."""


@dataclass(slots=True)
class Job:
    """One."""

    number: int
    kind: Kind
    """What is asked on the way."""
    why: Why
    lookup: Lookup
    begun: float
    member: Digest | None = None
    """Who is looked for."""
    is_reached: bool = False
    """It answered."""
    store: tuple[Packed, ...] = ()
    """What whom it finds is to keep."""
    records: dict[Digest, Record] = field(default_factory=dict)
    """The valid ones that were found: of each writer the one with the highest sequence."""
    read: dict[bytes, Record] = field(default_factory=dict)
    """Records that were judged already, by their bytes: most members give the same."""
    voices: list[tuple[int, frozenset[bytes]]] = field(default_factory=list)
    """Who had records: on which path, and which."""
    hops: int = 0
    storing: set[int] = field(default_factory=set)
    """Questions that are under way: each asks a member to keep the records."""
    until: float = 0.0
    """When the members that were asked to keep them had their time; 0: none was asked yet."""
    stored_at: int = 0
    is_kept_here: bool = False
    """This node is one of the closest."""

    def found(self, record: Record) -> None:
        """A valid one."""
        known = self.records.get(record.member)
        if known is None or (record.sequence, record.encoded) > (known.sequence, known.encoded):
            self.records[record.member] = record
        if len(self.read) < MOST_READ:
            self.read[record.encoded] = record

    def is_agreed(self) -> bool:
        """Do enough members say the same?"""
        if len(self.voices) < AGREE or len({records for _, records in self.voices}) > 1:
            return False
        paths = Counter(path for path, _ in self.voices)
        return sum(number >= 2 for number in paths.values()) >= 2

    def due(self) -> float:
        """When it wants to go on, at the latest."""
        return self.until or self.lookup.due()

    def best(self) -> tuple[Record, ...]:
        """The records that were found, the highest sequence first."""
        return tuple(sorted(self.records.values(), key=lambda record: (-record.sequence, record.member)))

    def finished(self, now: float) -> Finished:
        """What whoever waits is told."""
        closest: Sequence[Digest] = self.lookup.closest()
        seconds = now - self.begun
        if self.store:
            return Finished(self.number, self.stored_at > 0, (), (), tuple(closest), self.hops, seconds, self.stored_at)
        if self.kind is Kind.FIND:
            return Finished(self.number, self.is_reached, (), (), tuple(closest), self.hops, seconds)
        best = self.best()
        if self.kind is Kind.PROVIDERS:
            return Finished(
                self.number, bool(best), best, tuple(each.member for each in best), tuple(closest), self.hops, seconds
            )
        return Finished(self.number, bool(best), best, (), tuple(closest), self.hops, seconds)

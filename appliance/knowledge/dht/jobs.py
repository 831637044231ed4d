"""A look-up with what it is for: to find members or records, or to have records kept by whom it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NamedTuple

from appliance.knowledge.dht.lookup import Lookup
from appliance.knowledge.dht.wire import Kind, Packed
from appliance.knowledge.signed import Record
from appliance.members.row import Digest

STORE_SECONDS: Final = 4.5
"""How long the members that are to keep a record have to answer."""
AGREE: Final = 6
"""So many members that all have the same records, from two paths or more, are believed without asking all 20."""


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
    store: tuple[Packed, ...] = ()
    """What whom it finds is to keep."""
    records: dict[bytes, Record] = field(default_factory=dict)
    """The valid ones that were found, by their bytes."""
    voices: list[tuple[int, frozenset[bytes]]] = field(default_factory=list)
    """Who had records: on which path, and which."""
    hops: int = 0
    storing: set[int] = field(default_factory=set)
    """Questions that are under way: each asks a member to keep the records."""
    until: float = 0.0
    """When the members that were asked to keep them had their time; 0: none was asked yet."""
    stored_at: int = 0

    def is_agreed(self) -> bool:
        """Do enough members say the same?"""
        if len(self.voices) < AGREE or len({records for _, records in self.voices}) > 1:
            return False
        return len({path for path, _ in self.voices}) > 1

    def due(self) -> float:
        """When it wants to go on, at the latest."""
        return self.until or self.lookup.due()

    def best(self) -> tuple[Record, ...]:
        """Of each writer the record with the highest sequence; the highest first."""
        latest: dict[Digest, Record] = {}
        for record in self.records.values():
            known = latest.get(record.member)
            if known is None or (record.sequence, record.encoded) > (known.sequence, known.encoded):
                latest[record.member] = record
        return tuple(sorted(latest.values(), key=lambda record: (-record.sequence, record.member)))

    def finished(self, now: float) -> Finished:
        """What whoever waits is told."""
        closest: Sequence[Digest] = self.lookup.closest()
        seconds = now - self.begun
        if self.store:
            return Finished(self.number, self.stored_at > 0, (), (), tuple(closest), self.hops, seconds, self.stored_at)
        if self.kind is Kind.FIND:
            return Finished(self.number, self.member in closest, (), (), tuple(closest), self.hops, seconds)
        best = self.best()
        if self.kind is Kind.PROVIDERS:
            return Finished(
                self.number, bool(best), best, tuple(each.member for each in best), tuple(closest), self.hops, seconds
            )
        return Finished(self.number, bool(best), best, (), tuple(closest), self.hops, seconds)

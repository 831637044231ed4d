"""The records that a node keeps for the network, within limits: of all, of one writer, and under one key.

    under one key     32 values and 64 providers; together no more bytes than an answer holds
    of one writer     256, 256 KiB
    all               4,096, 4 MiB

A full store takes a record in the place of one of the writer that has the most, if that has more than the new one's: many records
of a few writers cannot push out those of many.

Under a key that is full the writers count that are closest to it, as members are close to points; so whoever comes first has
nothing of it, and all who keep the key have the same. Where a member can be called it says itself: there it is the closest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple

from appliance.knowledge.dht.ids import ID_BYTES, Id, unpack_id
from appliance.knowledge.dht.wire import MOST_RECORDS, MOST_UNDER, RECORD_HEAD, Packed, Type, Verdict
from appliance.knowledge.signed import Record
from appliance.members.row import Digest

MOST: Final = 4096
MOST_BYTES: Final = 4 * 2**20
MOST_OF_WRITER: Final = 256
MOST_BYTES_OF_WRITER: Final = 256 * 1024

Place = tuple[Type, Id]
"""What records are kept under."""


class Held(NamedTuple):
    """A record that is kept."""

    type: Type
    record: Record
    told: float
    """When somebody last said it should be kept, on the clock that only goes forward."""

    @property
    def place(self) -> Place:
        """Where it is kept."""
        return self.type, point_of(self.record)

    @property
    def packed(self) -> Packed:
        """As it travels."""
        return Packed(self.type, self.record.encoded)


def point_of(record: Record) -> Id:
    """The point that a record is about."""
    return unpack_id(record.content[:ID_BYTES])


def value_of(record: Record) -> bytes:
    """What its writer put there."""
    return record.content[ID_BYTES:]


class Store:
    """One node's. Who keeps records has judged them: nothing is verified here. `distance`: of a writer from a point."""

    def __init__(self, own: Id, distance: Callable[[Digest, Id], Id]) -> None:
        self._own = own
        self._distance = distance
        self._places: dict[Place, dict[Digest, Held]] = {}
        self._records: Counter[Digest] = Counter()
        """By writer."""
        self._bytes: Counter[Digest] = Counter()
        self.total = 0
        self.total_bytes = 0

    def __iter__(self) -> Iterator[Held]:
        return chain.from_iterable(place.values() for place in self._places.values())

    def places(self) -> Iterable[Place]:
        """All under which something is kept."""
        return self._places.keys()

    def at(self, place: Place) -> Iterable[Held]:
        """What is kept there, expired or not."""
        return self._places.get(place, {}).values()

    def under(self, type_: Type, point: Id, wall: float) -> list[Record]:
        """What is kept under a point and has not expired."""
        return [held.record for held in self.at((type_, point)) if held.record.expires > wall]

    def get(self, place: Place, writer: Digest) -> Held | None:
        """None: there is none."""
        return self._places.get(place, {}).get(writer)

    def keep(self, type_: Type, record: Record, now: float, wall: float) -> Verdict:
        """Of a writer's records under one key the one with the highest sequence is kept."""
        held = Held(type_, record, now)
        for expired in [each for each in self.at(held.place) if each.record.expires <= wall]:
            self.drop(expired)
        known = self.get(held.place, record.member)
        if known is not None and (record.sequence, record.encoded) <= (known.record.sequence, known.record.encoded):
            if record.sequence < known.record.sequence:
                return Verdict.OLDER
            self.tell(known, now)
            return Verdict.KEPT
        verdict = self._room(held, known)
        if verdict is Verdict.KEPT:
            if known is not None:
                self.drop(known)
            self._add(held)
        return verdict

    def drop(self, held: Held) -> None:
        """It is not kept any more."""
        writer, size = held.record.member, len(held.record.encoded)
        place = self._places[held.place]
        del place[writer]
        if not place:
            del self._places[held.place]
        self._records[writer] -= 1
        self._bytes[writer] -= size
        if not self._records[writer]:
            del self._records[writer], self._bytes[writer]
        self.total -= 1
        self.total_bytes -= size

    def drop_if(self, place: Place, encoded: bytes) -> None:
        """Drop that record, if it is kept."""
        for held in [held for held in self.at(place) if held.record.encoded == encoded]:
            self.drop(held)

    def sweep(self, members: Container[Digest], wall: float) -> int:
        """Drop what has expired, and what was written by who is no member now. Returns how many."""
        swept = [held for held in self if held.record.expires <= wall or held.record.member not in members]
        for held in swept:
            self.drop(held)
        return len(swept)

    def untold(self, since: float) -> list[Held]:
        """What nobody has said since then that it should be kept."""
        return [held for held in self if held.told < since]

    def tell(self, held: Held, now: float) -> None:
        """It is to be kept: somebody cares for it now."""
        self._places[held.place][held.record.member] = held._replace(told=now)

    def _add(self, held: Held) -> None:
        writer, size = held.record.member, len(held.record.encoded)
        self._places.setdefault(held.place, {})[writer] = held
        self._records[writer] += 1
        self._bytes[writer] += size
        self.total += 1
        self.total_bytes += size

    def _room(self, held: Held, known: Held | None) -> Verdict:
        """Is there room for it, in the place of `known`? Makes room in a full store."""
        size, writer = len(held.record.encoded), held.record.member
        more, gained = (1, size) if known is None else (0, size - len(known.record.encoded))
        farther = self._giving_way(held, [each for each in self.at(held.place) if each is not known])
        if farther is None:
            return Verdict.CROWDED
        if self._records[writer] + more > MOST_OF_WRITER or self._bytes[writer] + gained > MOST_BYTES_OF_WRITER:
            return Verdict.SHARE
        for each in farther:
            self.drop(each)
        while self.total + more > MOST or self.total_bytes + gained > MOST_BYTES:
            richest, most = max(self._bytes.items(), key=itemgetter(1))
            if richest == writer or most <= self._bytes[writer] + gained:
                return Verdict.FULL
            theirs = (each for each in self if each.record.member == richest)
            self.drop(max(theirs, key=lambda each: each.place[1] ^ self._own))
        return Verdict.KEPT

    def _giving_way(self, held: Held, others: list[Held]) -> list[Held] | None:
        """Which of the others under its key make room for it, the farthest first. None: it is farther than who would have to."""
        room, places = MOST_RECORDS - _room_of(held) - sum(map(_room_of, others)), MOST_UNDER[held.type] - 1 - len(others)
        if room >= 0 and places >= 0:
            return []
        point, giving = held.place[1], list[Held]()
        distances = {each.record.member: self._distance(each.record.member, point) for each in (held, *others)}
        for each in sorted(others, key=lambda other: -distances[other.record.member]):
            if distances[each.record.member] < distances[held.record.member]:
                return None
            giving.append(each)
            room, places = room + _room_of(each), places + 1
            if room >= 0 and places >= 0:
                break
        return giving


def _room_of(held: Held) -> int:
    return RECORD_HEAD + len(held.record.encoded)

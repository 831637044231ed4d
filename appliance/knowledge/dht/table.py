"""Whom a node knows: 160 buckets, one for each bit in which an id can differ first from its own, of 20 members each.

Nobody comes in by being told of: `heard` is for members that answered a question of ours. Who is in stays in, as long as it
answers; a newcomer waits for a free place. Both keep somebody with many fresh identities from pushing the others out. What
remains, identities ground to be close together, is limited by the groups: in a bucket, ids with the same next 4 bits have a few
places only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from typing import Any, Final, NamedTuple

from appliance.knowledge.dht.ids import Id, bucket_of, by_chance
from appliance.knowledge.dht.wire import K
from appliance.members.row import Digest

GROUP_BITS: Final = 4
GROUP_MOST: Final = 6
"""Of a bucket's 20 places for ids with the same next 4 bits. Chosen: of 20 random ids more share them once in 2,000 buckets."""
MOST_FAILURES: Final = 5
"""Questions without an answer, one after the other, until a member is dropped (Kademlia, section 4.1)."""
MOST_WAITING: Final = 5
"""Newcomers of a bucket that wait for a place."""


class Contact(NamedTuple):
    """A member of the table."""

    member: Digest
    id: Id
    bucket: int
    heard: float
    """When it answered last, on the clock that only goes forward."""
    proved: float
    """When it answered first."""
    failures: int = 0
    """Questions without an answer since it answered last."""


class Table:
    """One node's. All times are on the clock that only goes forward."""

    def __init__(self, own: Id) -> None:
        self.own = own
        self._contacts: dict[Digest, Contact] = {}
        """The least recently heard first."""
        self._ids: dict[Id, Digest] = {}
        self._sizes: Counter[int] = Counter()
        """Of buckets."""
        self._groups: Counter[tuple[int, int]] = Counter()
        self._waiting: dict[int, dict[Digest, Id]] = {}
        """By bucket; the latest last."""

    def __len__(self) -> int:
        return len(self._contacts)

    def __iter__(self) -> Iterator[Contact]:
        """The least recently heard first."""
        return iter(self._contacts.values())

    def __contains__(self, member: Digest) -> bool:
        return member in self._contacts

    def get(self, member: Digest) -> Contact | None:
        """None: it is not in."""
        return self._contacts.get(member)

    @property
    def buckets(self) -> int:
        """How many have somebody in."""
        return len(self._sizes)

    def has_room(self, point: Id) -> bool:
        """For a newcomer."""
        return self._sizes[bucket_of(self.own, point)] < K and self._groups[self._group(point)] < GROUP_MOST

    def heard(self, member: Digest, point: Id, now: float) -> bool:
        """It answered. True: it is new in the table."""
        known = self._contacts.pop(member, None)
        if known is not None:
            self._contacts[member] = known._replace(heard=now, failures=0)
            return False
        bucket = bucket_of(self.own, point)
        if bucket < 0:
            return False
        if not self.has_room(point):
            waiting = self._waiting.setdefault(bucket, {})
            waiting.pop(member, None)
            waiting[member] = point
            if len(waiting) > MOST_WAITING:
                del waiting[next(iter(waiting))]
            return False
        self._contacts[member] = Contact(member, point, bucket, now, now)
        self._ids[point] = member
        self._sizes[bucket] += 1
        self._groups[self._group(point)] += 1
        return True

    def failed(self, member: Digest) -> Digest | None:
        """It did not answer. Returns a newcomer that may be asked in its place, if it is dropped for one."""
        known = self._contacts.get(member)
        if known is None:
            for waiting in self._waiting.values():
                waiting.pop(member, None)
            return None
        self._contacts[member] = known._replace(failures=known.failures + 1)
        newcomer = self._newcomer(known) if known.failures else None
        if newcomer is not None or known.failures + 1 >= MOST_FAILURES:
            self.remove(member)
        return newcomer

    def remove(self, member: Digest) -> None:
        """It has no place any more, nor waits for one."""
        known = self._contacts.pop(member, None)
        if known is not None:
            del self._ids[known.id]
            _take_one(self._sizes, known.bucket)
            _take_one(self._groups, self._group(known.id))
        for waiting in self._waiting.values():
            waiting.pop(member, None)

    def closest(self, point: Id, most: int = K, without: Container[Digest] = ()) -> list[Contact]:
        """The members nearest to a point, the nearest first. Who failed lately comes in only if there are too few others."""
        well: list[Contact] = []
        poor: list[Contact] = []
        for each in sorted(self._ids, key=point.__xor__):
            contact = self._contacts[self._ids[each]]
            if contact.member not in without:
                (poor if contact.failures else well).append(contact)
                if len(well) == most:
                    return well
        return well + poor[: most - len(well)]

    def is_near(self, point: Id, most: int = K) -> bool:
        """Would it be one of the `most` members nearest to this node?"""
        return self.closer(self.own, point) < most

    def closer(self, point: Id, than: Id) -> int:
        """How many members of the table are closer to a point than another one is."""
        distance = than ^ point
        return sum(each ^ point < distance for each in self._ids)

    def rank(self, point: Id, without: Id = -1) -> int:
        """How many members of the table are closer to a point than this node; that one does not count."""
        return self.closer(point, self.own) - (without ^ point < self.own ^ point and without >= 0)

    def credible_rank(self, point: Id, members: int) -> int:
        """As `rank`, of a network of so many members: those that are closer to the point than chance has it do not count."""
        own, number = self.own ^ point, 0
        for distance in sorted(each ^ point for each in self._ids if each ^ point < own):
            number += number < by_chance(distance, members)
        return number

    def _newcomer(self, known: Contact) -> Digest | None:
        waiting = self._waiting.get(known.bucket, {})
        group = self._group(known.id)
        for member, point in reversed(waiting.items()):
            if self._groups[self._group(point)] < GROUP_MOST or self._group(point) == group:
                del waiting[member]
                return member
        return None

    def _group(self, point: Id) -> tuple[int, int]:
        bucket = bucket_of(self.own, point)
        return bucket, (self.own ^ point) >> max(0, bucket - GROUP_BITS)


def _take_one(counter: Counter[Any], what: object) -> None:
    counter[what] -= 1
    if not counter[what]:
        del counter[what]

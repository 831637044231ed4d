"""The registrations that a meeting place has: by tag in the order in which they came, and bounded."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from appliance.knowledge.rendezvous.registration import Refusal, Registration, RegistrationRefused
from appliance.members.row import Digest

MOST_OF_MEMBER: Final = 64
"""Tags of one member, withdrawn ones included."""
MOST: Final = 8192
"""Registrations in all. Chosen: at most 10 MB; a thousand members have eight tags each."""


class Shelf:
    """All registrations. When it is full, who has fewest comes in at the expense of who has most: a few members that register
    without end keep nobody out."""

    def __init__(self, most: int = MOST, most_of_member: int = MOST_OF_MEMBER) -> None:
        self._most, self._most_of_member = most, most_of_member
        self.position = 0
        """Of the newest registration; each that comes has a higher one than all before."""
        self.evicted = 0
        self._at: dict[tuple[Digest, str], int] = {}
        """Positions, by member and tag."""
        self._all: dict[int, Registration] = {}
        """By position, in rising order."""
        self._tags: dict[str, list[int]] = {}
        """Positions, rising, by tag."""
        self._members: dict[Digest, dict[str, None]] = {}
        """Tags, by member."""
        self._expiries: list[tuple[int, int]] = []
        """A heap of when each expires, and its position; also of some that are gone."""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._all.values())

    @property
    def tags(self) -> int:
        """How many tags there are."""
        return len(self._tags)

    @property
    def first_expiry(self) -> float:
        """Before that (Unix seconds) none expires."""
        while self._expiries and self._expiries[0][1] not in self._all:
            heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else float("inf")

    def put(self, registration: Registration) -> bool:
        """Take it in the place of the one before. False: the very same is there already. Raises RegistrationRefused."""
        key = registration.member, registration.tag
        position = self._at.get(key)
        if position is None:
            self._make_room(registration.member)
        else:
            before = self._all[position]
            if before.encoded == registration.encoded:
                return False
            if before.record.sequence >= registration.record.sequence:
                raise RegistrationRefused(Refusal.OLD)
            self._drop(position)
        self.position += 1
        self._at[key] = self.position
        self._all[self.position] = registration
        self._tags.setdefault(registration.tag, []).append(self.position)
        self._members.setdefault(registration.member, {})[registration.tag] = None
        heappush(self._expiries, (registration.record.expires, self.position))
        if len(self._expiries) > 2 * len(self._all) + MOST_OF_MEMBER:  # a member may renew without end
            self._expiries = [(each.record.expires, at) for at, each in self._all.items()]
            heapify(self._expiries)
        return True

    def since(self, tag: str, position: int) -> Iterator[tuple[int, Registration]]:
        """Those of a tag that came later, with their positions, the oldest first."""
        positions = self._tags.get(tag, ())
        for each in positions[bisect_right(positions, position) :]:
            yield each, self._all[each]

    def expire(self, wall: float, members: Container[Digest]) -> int:
        """Drop what has expired, and what is of no member any more. Returns how many. It looks at no others."""
        before = len(self._all)
        while self.first_expiry <= wall:
            self._drop(self._expiries[0][1])
        for member in [each for each in self._members if each not in members]:
            for tag in list(self._members[member]):
                self._drop(self._at[member, tag])
        return before - len(self._all)

    def _make_room(self, member: Digest) -> None:
        """For one more of that member. Raises RegistrationRefused."""
        tags = self._members.get(member, {})
        if len(tags) >= self._most_of_member:
            self._drop(self._oldest_withdrawn(member))
        elif len(self._all) >= self._most:
            greedy = max(self._members, key=lambda each: len(self._members[each]))
            if len(self._members[greedy]) <= len(tags) + 1:
                raise RegistrationRefused(Refusal.FULL)
            self.evicted += 1
            self._drop(min(self._at[greedy, tag] for tag in self._members[greedy]))

    def _oldest_withdrawn(self, member: Digest) -> int:
        """The position of its oldest registration that says that it is withdrawn. Raises RegistrationRefused."""
        positions = [self._at[member, tag] for tag in self._members[member]]
        withdrawn = [position for position in positions if self._all[position].withdrawn]
        if not withdrawn:
            raise RegistrationRefused(Refusal.TOO_MANY)
        return min(withdrawn)

    def _drop(self, position: int) -> None:
        registration = self._all.pop(position)
        member, tag = registration.member, registration.tag
        del self._at[member, tag]
        positions = self._tags[tag]
        del positions[bisect_right(positions, position) - 1]
        if not positions:
            del self._tags[tag]
        tags = self._members[member]
        del tags[tag]
        if not tags:
            del self._members[member]

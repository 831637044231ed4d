"""A look-up: the way to the members that are closest to a point, by disjoint paths.

It asks the closest members it knows for closer ones, three at a time, until the 20 closest have answered. As in S/Kademlia
(Baumgart and Mies, "S/Kademlia: A Practicable Approach Towards Secure Key-Based Routing", 2007, section 4.4) there are three
paths, which begin at different members, and each member is asked once: a path asks whom members on it named, and goes on to those
of the others only when it has nobody left. So who lies leads one path astray, not the look-up.

Who does not answer in a second is passed over; should it answer later, it counts again. Members that are closer together than
chance would have it are passed over, too: see `ids.MOST_TIMES`.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from math import inf
from typing import Final

from appliance.knowledge.dht.ids import Id, by_chance
from appliance.knowledge.dht.wire import K
from appliance.members.row import Digest

ALPHA: Final = 3
"""Questions at a time on the way. Kademlia's own figure."""
WIDE: Final = 10
"""And when the closest member known has answered: the rest only has to be confirmed (Kademlia, section 2.3)."""
PATHS: Final = 3
SLOW_SECONDS: Final = 1.0
"""After that somebody else is asked. Chosen: a session with a member takes three ways, an answer two, of 150 ms each."""
LOOKUP_SECONDS: Final = 4.0
"""Then it ends with what it has."""
MOST_ASKED: Final = 100
"""Members that a look-up asks, whatever it is told."""


class State(Enum):
    """Of one member in a look-up."""

    HEARD = auto()
    ASKED = auto()
    SLOW = auto()
    ANSWERED = auto()
    FAILED = auto()


class Candidate:
    """A member that the look-up knows."""

    __slots__ = ("asked_at", "depth", "distance", "member", "path", "paths", "state")

    def __init__(self, member: Digest, distance: Id, depth: int) -> None:
        self.member = member
        self.distance = distance
        self.depth = depth
        """Hops from this node: 1 for those it knew before."""
        self.state = State.HEARD
        self.paths = 0
        """A bit for each path on which it was named."""
        self.path = 0
        """On which it was asked."""
        self.asked_at = inf


class Lookup:
    """One. `members`: how many the network has."""

    def __init__(self, target: Id, start: Iterable[tuple[Digest, Id]], members: int, now: float) -> None:
        self.target = target
        self.until = now + LOOKUP_SECONDS
        self.ended = False
        self._members = members
        self._candidates: dict[Digest, Candidate] = {}
        self._order: list[tuple[Id, Digest]] = []
        """All candidates, the closest first."""
        self._under_way: dict[Digest, Candidate] = {}
        """Asked, and not slow yet."""
        self._asked = 0
        for number, (member, point) in enumerate(start):
            self._hear(member, point, 1, number % PATHS)

    def __contains__(self, member: Digest) -> bool:
        return member in self._candidates

    def next(self, now: float) -> list[Digest]:
        """Whom to ask now. Call it after each of the other verbs."""
        if now >= self.until:
            self.ended = True
        if self.ended:
            return []
        self._pass_over_slow(now)
        needed = list(self._needed())
        open_ = [each for each in needed if each.state is State.HEARD]
        if not open_ or self._asked >= MOST_ASKED:
            self.ended = not self._under_way
            return []
        width = WIDE if needed[0].state is State.ANSWERED else ALPHA
        asked = []
        while open_ and len(self._under_way) < width and self._asked < MOST_ASKED:
            candidate = self._choose(open_)
            open_.remove(candidate)
            candidate.state, candidate.asked_at = State.ASKED, now
            self._under_way[candidate.member] = candidate
            self._asked += 1
            asked.append(candidate.member)
        return asked

    def answered(self, member: Digest, contacts: Iterable[tuple[Digest, Id]]) -> None:
        """What a member that was asked named."""
        candidate = self._candidates[member]
        candidate.state = State.ANSWERED
        self._under_way.pop(member, None)
        for named, point in contacts:
            self._hear(named, point, candidate.depth + 1, candidate.path)

    def failed(self, member: Digest) -> None:
        """It has no answer."""
        self._candidates[member].state = State.FAILED
        self._under_way.pop(member, None)

    def due(self) -> float:
        """When `next` is to be called, at the latest."""
        first = next(iter(self._under_way.values()), None)
        return self.until if first is None else min(self.until, first.asked_at + SLOW_SECONDS)

    def closest(self) -> list[Digest]:
        """Those that answered, the closest first; at most K."""
        return [each.member for each in self._needed() if each.state is State.ANSWERED]

    def depth(self, member: Digest) -> int:
        """How many hops it was to a member that was asked."""
        return self._candidates[member].depth

    def path(self, member: Digest) -> int:
        """On which path it was asked."""
        return self._candidates[member].path

    def _hear(self, member: Digest, point: Id, depth: int, path: int) -> None:
        known = self._candidates.get(member)
        if known is None:
            known = self._candidates[member] = Candidate(member, point ^ self.target, depth)
            insort(self._order, (known.distance, member))
        known.paths |= 1 << path

    def _needed(self) -> Iterator[Candidate]:
        """The closest that may be alive; K at most, and of those close together not more than chance has."""
        number = 0
        for distance, member in self._order:
            candidate = self._candidates[member]
            if candidate.state is State.FAILED or candidate.state is State.SLOW:
                continue
            if number < by_chance(distance, self._members):
                number += 1
                yield candidate
                if number == K:
                    return

    def _choose(self, open_: list[Candidate]) -> Candidate:
        """The closest one of a path that asks nobody just now; else the closest of all."""
        busy = 0
        for each in self._under_way.values():
            busy |= 1 << each.path
        for each in open_:
            free = each.paths & ~busy
            if free:
                each.path = free.bit_length() - 1
                return each
        open_[0].path = open_[0].paths.bit_length() - 1
        return open_[0]

    def _pass_over_slow(self, now: float) -> None:
        for member, candidate in list(self._under_way.items()):
            if candidate.asked_at + SLOW_SECONDS <= now:
                candidate.state = State.SLOW
                del self._under_way[member]

"""Who is suspected, who is taken for dead, and who said so: the memory of failure detection.

A suspicion waits for its target to contradict, by a row of a higher sequence. It waits long while one member alone says so, and
shorter with each further one that does (Lifeguard, Dadgar, Phillips, Currey 2018, section IV-B): one member's word weighs little.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Final

from appliance.members.claims import Claim
from appliance.members.row import Digest

SHORTEST: Final = 6.0
"""Seconds with CONFIRMATIONS further accusers. Chosen: a node that sleeps for two seconds and its answer's way fit twice."""
LONGEST: Final = 16.0
"""With one accuser, where there are others that could have said so too."""
CONFIRMATIONS: Final = 3
"""Further accusers that count; fewer where a node has fewer neighbours."""


class Suspicion:
    """Of one member."""

    __slots__ = ("accusers", "sequence", "since", "until")

    def __init__(self, sequence: int, now: float) -> None:
        self.sequence = sequence
        """Of the row that is to be contradicted."""
        self.since = now
        self.accusers: dict[Digest, Claim] = {}
        self.until = now + LONGEST

    def add(self, claim: Claim, voices: int, now: float) -> None:
        """One more says so, of `voices` that could."""
        self.accusers[claim.accuser] = claim
        wanted = min(CONFIRMATIONS, voices - 1)
        share = log(min(len(self.accusers), wanted + 1)) / log(wanted + 1) if wanted > 0 else 1.0
        self.until = max(now, self.since + LONGEST - (LONGEST - SHORTEST) * share)


class Suspicions:
    """What one node believes. Bounded by the number of members, and by four accusers of each."""

    def __init__(self) -> None:
        self.open: dict[Digest, Suspicion] = {}
        self.dead: dict[Digest, Suspicion] = {}
        """Those whose suspicion ran out."""
        self._next: float | None = None
        self._stale = False

    def is_news(self, target: Digest, sequence: int, accuser: Digest) -> bool:
        """May that claim change something?"""
        dead = self.dead.get(target)
        if dead is not None and sequence <= dead.sequence:
            return False
        found = self.open.get(target)
        if found is None or sequence > found.sequence:
            return True
        return sequence == found.sequence and accuser not in found.accusers and len(found.accusers) <= CONFIRMATIONS

    def add(self, claim: Claim, voices: int, now: float) -> bool:
        """Take a claim that is news. True when its target was not suspected."""
        found = self.open.get(claim.target)
        new = found is None
        if found is None or claim.sequence > found.sequence:
            found = self.open[claim.target] = Suspicion(claim.sequence, now)
        found.add(claim, voices, now)
        self._stale = True
        return new

    def clear(self, member: Digest, sequence: int | None = None) -> tuple[bool, bool]:
        """It is there: we heard it, or (`sequence`) its row of that sequence. Was it suspected; was it taken for dead?"""
        was = [self._clear(where, member, sequence) for where in (self.open, self.dead)]
        return was[0], was[1]

    def expire(self, now: float) -> list[Digest]:
        """Members that are taken for dead from now on."""
        due = self.next_due()
        if due is None or due > now:
            return []
        self._stale = True
        dead = [member for member, found in self.open.items() if found.until <= now]
        for member in dead:
            self.dead[member] = self.open.pop(member)
        return dead

    def shift(self, seconds: float) -> None:
        """This node slept: what it waits for may take as much longer."""
        self._stale = True
        for found in self.open.values():
            found.since += seconds
            found.until += seconds

    def claims(self) -> list[Claim]:
        """One claim about each member that is dead or suspected, for somebody who may not know."""
        return [next(iter(found.accusers.values())) for found in (*self.dead.values(), *self.open.values())]

    def next_due(self) -> float | None:
        """When the next one runs out."""
        if self._stale:
            self._stale = False
            self._next = min((found.until for found in self.open.values()), default=None)
        return self._next

    def keep(self, members: Mapping[Digest, object]) -> None:
        """Forget who is no member any more."""
        self._stale = True
        for where in (self.open, self.dead):
            for member in [member for member in where if member not in members]:
                del where[member]

    def _clear(self, where: dict[Digest, Suspicion], member: Digest, sequence: int | None) -> bool:
        found = where.get(member)
        if found is None or (sequence is not None and sequence <= found.sequence):
            return False
        del where[member]
        self._stale = True
        return True

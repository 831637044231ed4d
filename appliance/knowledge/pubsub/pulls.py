"""Messages that others say they have: who is asked for each, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Final

from appliance.knowledge.pubsub.ground import Breach, Ground
from appliance.knowledge.pubsub.mesh import Topic
from appliance.knowledge.pubsub.scoring import GOSSIP
from appliance.knowledge.pubsub.wire import Part
from appliance.members.row import Digest

PULL_SECONDS: Final = 0.08
"""After it was told of a message, a node waits so long for one that sends it unasked."""
PROMISE_SECONDS: Final = 3.0
"""In which a peer gives what it said it has (go-libp2p: iwant_followup_time)."""
MOST_ASKED: Final = 3
"""How often it is asked for it in that time: messages may be lost."""
MOST_PULLED: Final = 4096
MOST_PULLED_OF_PEER: Final = 512
"""Of which one peer told first: no liar takes the room of others."""
MOST_GIVERS: Final = 4
"""Who is remembered to have a message that is missing."""


class Pull:
    """A message that others say they have."""

    __slots__ = ("asked", "first", "givers", "holders", "told_at", "tries")

    def __init__(self, told_at: float, first: Digest) -> None:
        self.told_at = told_at
        self.first = first
        """Who told of it first."""
        self.givers: list[Digest] = []
        """Who can be asked for it, next first."""
        self.holders: set[Digest] = set()
        """Who said that it has it."""
        self.asked: Digest | None = None
        """Who was asked last."""
        self.tries = 0
        """How often."""


class Pulls:
    """Of one node."""

    def __init__(self, ground: Ground, make_eager: Callable[[Digest, Topic], None]) -> None:
        """`make_eager`: have a peer send messages of a topic at once."""
        self._ground = ground
        self._make_eager = make_eager
        self._first: Counter[Digest] = Counter()
        """Pulls under way, by who told of them first."""
        self._pulls: dict[bytes, Pull] = {}
        self._times: list[tuple[float, int, bytes]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._pulls)

    def told(self, member: Digest, ident: bytes, now: float) -> None:
        """A peer says that it has a message that is not here."""
        pull = self._pulls.get(ident)
        if pull is None:
            if len(self._pulls) >= MOST_PULLED or self._first[member] >= MOST_PULLED_OF_PEER:
                self._ground.counters["not-pulled"] += 1
                return
            pull = self._pulls[ident] = Pull(now, member)
            self._first[member] += 1
            self._ring(ident, now + PULL_SECONDS)
        if len(pull.givers) < MOST_GIVERS and member not in pull.holders:
            pull.givers.append(member)
        pull.holders.add(member)

    def next_due(self) -> float:
        """When somebody is to be asked."""
        return self._times[0][0] if self._times else inf

    def due(self, now: float) -> None:
        """Ask for what was told and did not come."""
        while self._times and self._times[0][0] <= now:
            _, _, ident = heappop(self._times)
            pull = self._pulls.get(ident)
            if pull is not None:
                self._pull(ident, pull, now)

    def _pull(self, ident: bytes, pull: Pull, now: float) -> None:
        ground = self._ground
        if pull.asked is not None and pull.tries < MOST_ASKED:
            self._want(ident, pull, pull.asked, now)
            return
        if pull.asked is not None:
            if pull.asked in ground.peers.sessions:
                is_news = ground.scores.score(pull.asked, now) >= GOSSIP  # else they are of before it was found out
                ground.count(pull.asked, Breach.BROKEN_PROMISE, 1.0 if is_news else 0.0)
                ground.scores.promised(pull.asked, now, kept=False)
            pull.asked = None
        pull.givers = [each for each in pull.givers if each in ground.peers.sessions]
        if not pull.givers:
            self.end(ident)
            return
        pull.asked, pull.tries = pull.givers.pop(0), 0
        self._want(ident, pull, pull.asked, now)
        ground.counters["pulled"] += 1
        for topic in ground.topics.values():
            self._make_eager(pull.asked, topic)

    def _want(self, ident: bytes, pull: Pull, giver: Digest, now: float) -> None:
        pull.tries += 1
        self._ground.out.put(giver, Part.WANT, ident)
        self._ring(ident, now + PROMISE_SECONDS / MOST_ASKED)

    def end(self, ident: bytes) -> Pull | None:
        """It came, or nobody has it."""
        pull = self._pulls.pop(ident, None)
        if pull is not None:
            self._first[pull.first] -= 1
            if not self._first[pull.first]:
                del self._first[pull.first]
        return pull

    def _ring(self, ident: bytes, at: float) -> None:
        heappush(self._times, (at, next(self._numbers), ident))

"""How much of each kind one peer may make this node do. What comes beyond is dropped, counted, and held against it a little."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from typing import Final, NamedTuple

from appliance.knowledge.pubsub.ground import Breach, Ground
from appliance.members.row import Digest
from appliance.protocol.admission import TokenBucket


class Rate(NamedTuple):
    """So much a second, and so much at once."""

    a_second: float
    at_once: float


class Allowance(Enum):
    """The kinds. Chosen so that a node that starts with 200 topics stays below them, and a flood costs a hundredth of a core."""

    PARTS = Rate(200.0, 2000.0)
    """Of any kind but messages, and what is told of them and asked for."""
    IDS = Rate(2000.0, 8000.0)
    """That it says it has, or asks for. An honest peer tells of each message four times."""
    BYTES = Rate(262144.0, 1 << 20)
    """Of messages that it asked for: 20 bytes bring up to 8,200. More are not given, and nobody is to blame: two authors of long
    messages could have honest members ask each other for more."""
    UNASKED = Rate(5.0, 50.0)
    """Messages of no use, of which one alone is no reproach: expired, of an unknown member, of another topic, sent twice."""


EXCESS: Final = 0.05
"""How much of a breach each thing beyond is: twenty make one."""
AUTHOR_RATE: Final = Rate(100.0, 400.0)
"""Messages of one author that a node takes, in all topics. Beyond it they are dropped without blame for who passed them on."""
MOST_AUTHORS: Final = 1024


class Limits:
    """What the peers of one node used."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._buckets: dict[Digest, dict[Allowance, TokenBucket]] = {}
        self._authors: OrderedDict[Digest, TokenBucket] = OrderedDict()

    def may(self, member: Digest, what: Allowance, now: float, amount: float = 1.0) -> bool:
        """May a peer have so much more of it? If not, that is noted."""
        allowed = self.has(member, what, now, amount)
        if not allowed:
            self._ground.breach(member, Breach.TOO_OFTEN, now, EXCESS)
        return allowed

    def has(self, member: Digest, what: Allowance, now: float, amount: float = 1.0) -> bool:
        """The same, without reproach: it may be others who made it so much."""
        buckets = self._buckets.setdefault(member, {})
        bucket = buckets.get(what)
        if bucket is None:
            bucket = buckets[what] = TokenBucket(what.value.a_second, what.value.at_once, now)
        if bucket.take(now, amount):
            return True
        self._ground.counters[f"too-many-{what.name.lower()}"] += 1
        return False

    def author_may(self, author: Digest, now: float) -> bool:
        """May there be one more message of an author?"""
        bucket = self._authors.get(author)
        if bucket is None:
            bucket = self._authors[author] = TokenBucket(AUTHOR_RATE.a_second, AUTHOR_RATE.at_once, now)
            if len(self._authors) > MOST_AUTHORS:
                self._authors.popitem(last=False)
        self._authors.move_to_end(author)
        return bucket.take(now)

    def forget(self, member: Digest) -> None:
        """Its session ended."""
        self._buckets.pop(member, None)

"""What the parts of one node's publish/subscribe share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from appliance.knowledge.effects import Deed
from appliance.knowledge.pubsub.mesh import Topic
from appliance.knowledge.pubsub.peers import Peers
from appliance.knowledge.pubsub.scoring import Scores
from appliance.knowledge.pubsub.wire import Outbox, Part
from appliance.members.row import Digest, Verifier


class Breach(StrEnum):
    """What no honest member does, or not often. The values are names of counters and of deeds."""

    MALFORMED = "malformed"
    INVALID = "invalid-message"
    REJECTED = "rejected-message"
    BROKEN_PROMISE = "broken-promise"
    """It said that it has a message, and did not give it."""
    EARLY_GRAFT = "graft-in-backoff"
    TOO_OFTEN = "too-often"
    BAD_HINT = "bad-hint"


POINTS = {Breach.MALFORMED: -10.0, Breach.INVALID: -10.0, Breach.REJECTED: -5.0, Breach.BAD_HINT: -10.0}
"""Of a deed; -1 for all others."""


@dataclass(slots=True)
class Ground:
    """Of one node."""

    own: Digest
    network: Digest
    keys: Callable[[float], Mapping[Digest, bytes]]
    """The members' Ed25519 keys at a wall time."""
    sign: Callable[[bytes], bytes]
    jitter: Callable[[], float]
    """A random number in [0, 1)."""
    verify: Verifier
    topics: dict[str, Topic] = field(default_factory=dict)
    peers: Peers = field(default_factory=Peers)
    scores: Scores = field(default_factory=Scores)
    out: Outbox = field(default_factory=Outbox)
    counters: Counter[str] = field(default_factory=Counter)
    deeds: list[Deed] = field(default_factory=list)

    def breach(self, member: Digest, what: Breach, now: float, weight: float = 1.0) -> None:
        """It is counted, and held against the member."""
        self.count(member, what, weight)
        self.scores.breach(member, now, weight)

    def count(self, member: Digest, what: Breach, weight: float = 1.0) -> None:
        """Counted and told, where the score knows by itself."""
        self.counters[what] += 1
        if weight:
            self.deeds.append(Deed(member, what, weight * POINTS.get(what, -1.0)))

    def ask_topics(self, member: Digest, now: float) -> None:
        """Have a peer say all that it subscribes to, unless it was just asked."""
        if self.peers.sessions[member].may_be_asked(now):
            self.out.put(member, Part.TELL)

    def drawn(self, members: list[Digest]) -> list[Digest]:
        """In an order drawn by lot."""
        return [member for _, _, member in sorted((self.jitter(), number, member) for number, member in enumerate(members))]

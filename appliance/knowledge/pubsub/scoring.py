"""What a node thinks of the others, by what it saw them do (gossipsub 1.1, "Peer Scoring"). Nobody is told.

    score = min(TOPICS_CAP, sum over topics of w1 P1 + w2 P2 + w3 P3 + w3b P3b + w4 P4) + w5 P5 + w7 P7

    P1  time in the mesh                      P3b the same, kept when it was pruned
    P2  messages that it was first to bring   P4  invalid messages, squared
    P3  messages that it should have brought  P7  breaches of the protocol, squared

P5, what the rest of the node thinks of a member, is 1 for one that is doubtful; one that is blocked has no session. P6, many
members at one address, is left out: a member is certified by the network's owner, and many behind one router are ordinary. Scores
fade by halves, but for P1 and P5; times are arguments, so a node that does nothing needs no timer for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Final, NamedTuple

from appliance.members.row import Digest

GOSSIP: Final = -10.0
"""Below it nobody is told what we have, nor believed what it has."""
PUBLISH: Final = -50.0
"""Below it nobody gets our own messages."""
GRAYLIST: Final = -80.0
"""Below it nothing that it says is read."""
OPPORTUNE: Final = 1.0
"""Where the median of a mesh is below it, better ones are looked for."""

W1: Final = 0.02
MINUTES_CAP: Final = 30.0
W2: Final = 0.05
FIRST_CAP: Final = 100.0
W3: Final = -20.0
LEAST_CHANCES: Final = 16.0
LEAST_AUTHORS: Final = 8
"""Messages of a topic, and authors of them, before it is asked who brought none: an honest peer may be farther from one author
than we are, but not from all."""
LEAST_SHARE: Final = 0.1
"""Whoever brings or tells less than so much of what comes is of no use. Chosen: in a mesh at random an honest peer is as early as
we are with more than half; see the model test."""
W4: Final = -10.0
W5: Final = -5.0
"""A doubtful member that brings many messages first stays; all others are left out of meshes, and still believed."""
W7: Final = -10.0
BROKEN_CAP: Final = 2.2
"""Of promises that were not kept: what such a peer says it has is not believed any more, but it is read. It may have been
overloaded."""
KEPT_PROMISE: Final = 0.05
"""How much of a broken one each kept one makes good."""
EXCUSED: Final = 2.0
"""Breaches that count for nothing: messages may be lost, and two may ask each other at one time."""
TOPICS_CAP: Final = 10.0

FIRST_HALF: Final = 60.0
CHANCES_HALF: Final = 60.0
FAILURE_HALF: Final = 300.0
INVALID_HALF: Final = 600.0
BREACH_HALF: Final = 300.0
"""Seconds in which each is halved."""
LEAST: Final = 0.01
"""What is less is nothing."""
FRESH_SECONDS: Final = 1.0
"""How old a score may be, if nothing spoke against the member since."""
KEPT_SECONDS: Final = 3600.0
"""How long one without a session is remembered."""
MOST_MEMBERS: Final = 4096


class _Left(NamedTuple):
    """How much of each is left after some time; the same in all topics."""

    first: float
    chances: float
    failure: float
    invalid: float


class _InTopic:
    __slots__ = ("authors", "chances", "failure", "first", "given", "in_mesh_since", "invalid")

    def __init__(self) -> None:
        self.in_mesh_since: float | None = None
        self.authors: set[Digest] = set()
        self.first = 0.0
        self.chances = 0.0
        self.given = 0.0
        self.failure = 0.0
        self.invalid = 0.0

    def fade(self, left: _Left) -> None:
        self.first *= left.first
        self.chances *= left.chances
        self.given *= left.chances
        self.failure *= left.failure
        self.invalid *= left.invalid

    def is_over(self) -> bool:
        """It says nothing any more. Topics come and go for as long as a node runs."""
        return self.in_mesh_since is None and max(self.first, self.failure, self.invalid) < LEAST

    def deficit(self) -> float:
        if self.in_mesh_since is None or self.chances < LEAST_CHANCES or len(self.authors) < LEAST_AUTHORS:
            return 0.0
        return max(0.0, LEAST_SHARE * self.chances - self.given)

    def score(self, now: float) -> float:
        minutes = 0.0 if self.in_mesh_since is None else (now - self.in_mesh_since) / 60
        good = W1 * min(minutes, MINUTES_CAP) + W2 * self.first
        return good + W3 * (self.deficit() ** 2 + self.failure) + W4 * self.invalid**2


class _Member:
    __slots__ = ("at", "breaches", "broken", "gone_at", "score", "scored_at", "topics")

    def __init__(self, at: float) -> None:
        self.at = at
        self.gone_at: float | None = at
        """None: it has a session."""
        self.breaches = 0.0
        self.broken = 0.0
        """Promises."""
        self.topics: dict[str, _InTopic] = {}
        self.score = 0.0
        self.scored_at = -inf

    def fade(self, now: float) -> None:
        seconds = now - self.at
        if seconds < FRESH_SECONDS:
            return
        self.at = now
        self.breaches *= _halved(seconds, BREACH_HALF)
        self.broken *= _halved(seconds, BREACH_HALF)
        left = _Left(*(_halved(seconds, half) for half in (FIRST_HALF, CHANCES_HALF, FAILURE_HALF, INVALID_HALF)))
        for name, each in list(self.topics.items()):
            each.fade(left)
            if each.is_over():
                del self.topics[name]


def _halved(seconds: float, half: float) -> float:
    return float(0.5 ** (seconds / half))


class Scores:
    """Of all members that this node met lately."""

    def __init__(self, doubts: Callable[[Digest], bool] = lambda _: False) -> None:
        """`doubts`: is a member doubtful by all that this node saw of it (P5)?"""
        self._members: dict[Digest, _Member] = {}
        self._doubts = doubts

    def __len__(self) -> int:
        return len(self._members)

    def score(self, member: Digest, now: float) -> float:
        """Of one; 0 for one that was never met."""
        known = self._members.get(member)
        if known is None:
            return 0.0
        if now >= known.scored_at + FRESH_SECONDS:
            known.fade(now)
            of_topics = sum(topic.score(now) for topic in known.topics.values())
            breaches = max(0.0, known.breaches - EXCUSED) + min(BROKEN_CAP, max(0.0, known.broken - EXCUSED))
            known.score = min(TOPICS_CAP, of_topics) + W5 * self._doubts(member) + W7 * breaches**2
            known.scored_at = now
        return known.score

    def all(self, now: float) -> dict[Digest, float]:
        """Of all."""
        return {member: self.score(member, now) for member in self._members}

    # ---- what happened ----

    def connected(self, member: Digest, now: float) -> None:
        """There is a session."""
        self._member(member, now).gone_at = None

    def gone(self, member: Digest, now: float) -> None:
        """There is none any more."""
        self._member(member, now).gone_at = now

    def entered(self, member: Digest, topic: str, now: float) -> None:
        """It came into the mesh of a topic."""
        found = self._in(member, topic, now)
        found.in_mesh_since, found.chances, found.given = now, 0.0, 0.0
        found.authors.clear()

    def left(self, member: Digest, topic: str, now: float) -> None:
        """It is in it no more."""
        found = self._in(member, topic, now)
        found.failure += found.deficit() ** 2
        found.in_mesh_since = None

    def first(self, member: Digest, topic: str, now: float) -> None:
        """It brought a message that was new."""
        found = self._in(member, topic, now)
        found.first = min(FIRST_CAP, found.first + 1)

    def chance(self, member: Digest, topic: str, author: Digest, now: float, *, given: bool) -> None:
        """A message came, and a member of the mesh brought it too, or told of it in time; or did neither."""
        found = self._in(member, topic, now)
        found.chances += 1
        found.given += given
        if len(found.authors) < LEAST_AUTHORS:
            found.authors.add(author)

    def invalid(self, member: Digest, topic: str, now: float) -> None:
        """It sent a message that no honest member sends."""
        self._in(member, topic, now).invalid += 1
        self._members[member].scored_at = -inf

    def breach(self, member: Digest, now: float, weight: float = 1.0) -> None:
        """It did something that the protocol forbids."""
        known = self._member(member, now)
        known.breaches += weight
        known.scored_at = -inf

    def promised(self, member: Digest, now: float, *, kept: bool) -> None:
        """It said that it has a message, was asked for it, and gave it or did not."""
        known = self._member(member, now)
        known.broken = max(0.0, known.broken - KEPT_PROMISE) if kept else known.broken + 1
        if not kept:
            known.scored_at = -inf

    def age(self, now: float) -> None:
        """Forget those that are gone for long."""
        for member in [
            member for member, known in self._members.items() if known.gone_at is not None and known.gone_at + KEPT_SECONDS <= now
        ]:
            del self._members[member]

    def _in(self, member: Digest, topic: str, now: float) -> _InTopic:
        return self._member(member, now).topics.setdefault(topic, _InTopic())

    def _member(self, member: Digest, now: float) -> _Member:
        known = self._members.get(member)
        if known is None:
            self._make_room()
            known = self._members[member] = _Member(now)
        known.fade(now)
        return known

    def _make_room(self) -> None:
        """The one that is gone and was seen first is forgotten."""
        if len(self._members) >= MOST_MEMBERS:
            gone = next((member for member, known in self._members.items() if known.gone_at is not None), None)
            if gone is not None:
                del self._members[gone]


def median(scores: Mapping[Digest, float]) -> float:
    """Of a mesh."""
    ordered = sorted(scores.values())
    return ordered[len(ordered) // 2] if ordered else 0.0

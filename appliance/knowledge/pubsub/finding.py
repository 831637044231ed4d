"""How a node comes to have sessions with others of its topics: hints, what prunes name, and whatever its host knows."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from appliance.knowledge.pubsub.ground import Breach, Ground
from appliance.knowledge.pubsub.hints import MOST_HINTS, MOST_OF_TOPIC, RENEW_SECONDS, Hints, sign_hint
from appliance.knowledge.pubsub.mesh import D, Topic
from appliance.knowledge.pubsub.wire import Part, topic_field
from appliance.knowledge.signed import Fault, RecordRefused
from appliance.members.effects import Hold, Release
from appliance.members.row import Digest
from appliance.protocol.admission import TokenBucket

RESERVE: Final = 3
"""Peers of a topic beside the mesh: they gossip, and come into it when one is lost."""
FEW_TOPICS: Final = 4
FEW_PEERS: Final = 5
"""A node with more topics looks for so few peers of each: sessions cost."""
PUBLISHERS_PEERS: Final = 3
"""Of a topic in which this node only publishes."""
MOST_CALLED: Final = 4
"""Members that are called at a time for one topic."""
CALL_SECONDS: Final = 10.0
"""In which there is a session, or not."""
PROVE_SECONDS: Final = 5.0
"""In which it says that it subscribes."""
FAILED_SECONDS: Final = 120.0
MOST_FAILED: Final = 1024
FIRST_SEEK: Final = 1.0
LAST_SEEK: Final = 300.0
MOST_SOUGHT: Final = 8
"""Peers that are asked at once who subscribes."""
MOST_TOLD: Final = 8
"""Peers that are told of it: with as many as members have neighbours it still comes to everybody."""
SPREAD_RATE: Final = 50.0
SPREAD_AT_ONCE: Final = 200.0
"""Hints of others that are passed on in a second, and at once; a quarter of what a peer takes (`limits.Allowance.PARTS`)."""
SEEK_RATE: Final = 30.0
SEEK_AT_ONCE: Final = 200.0
"""Topics that are sought: a program that publishes in a thousand of them must not make peers take its host for a flooder."""
EXCUSED: Final = frozenset({Fault.EXPIRED, Fault.FUTURE, Fault.UNKNOWN})
"""Faults of a hint for which who passes it on is not to blame: clocks differ, and certificates spread."""
HINT_TOLD: Final = 3
"""Peers that must have heard our own hint; else whoever comes is told."""


class Finding:
    """Of one node."""

    def __init__(self, ground: Ground, now: float) -> None:
        self.wishes: list[Hold | Release] = []
        self.hints = Hints(ground.own, ground.network, ground.verify)
        self._ground = ground
        self._spreading: OrderedDict[tuple[str, Digest], tuple[Digest, bytes]] = OrderedDict()
        """Hints that others are to be told: who told us, and the bytes. Bounded, as those that are kept are."""
        self._pace = TokenBucket(SPREAD_RATE, SPREAD_AT_ONCE, now)
        self._asking = TokenBucket(SEEK_RATE, SEEK_AT_ONCE, now)
        self._held: dict[Digest, float] = {}
        """Whom we hold, and since when it has had a session, or has been waited for."""
        self._failed: OrderedDict[Digest, float] = OrderedDict()
        """Who is not called before when."""
        self._own: dict[str, tuple[bytes, int]] = {}
        """Our hints, and how many peers heard them."""

    # ---- what we say and ask ----

    def announce(self, topic: Topic, now: float, wall: float) -> None:
        """Say that we subscribe."""
        ground = self._ground
        self.hints.own_topics.add(topic.name)
        hint = sign_hint(topic.name, ground.own, ground.network, wall, ground.sign)
        topic.renew_at = now + RENEW_SECONDS * (1 + 0.2 * ground.jitter())
        self._own[topic.name] = hint.encoded, len(ground.peers.sessions)
        for member in ground.peers.sessions:
            ground.out.put(member, Part.HINT, hint.encoded)

    def withdraw(self, topic: Topic) -> None:
        """We do not subscribe any more."""
        self._own.pop(topic.name, None)
        self.hints.own_topics.discard(topic.name)

    def seek(self, topic: Topic, now: float) -> None:
        """Ask who subscribes, more and more seldom; with many topics at a time, later."""
        ground = self._ground
        if not self._asking.take(now):
            topic.seek_at = now + FIRST_SEEK
            return
        topic.seek_at = now + topic.seek_pause
        topic.seek_pause = min(LAST_SEEK, 2 * topic.seek_pause)
        for member in ground.drawn(list(ground.peers.sessions))[:MOST_SOUGHT]:
            ground.out.put(member, Part.SEEK, topic_field(topic.name))

    def connected(self, member: Digest, now: float) -> None:
        """There is a session with a member."""
        if member in self._held:
            self._held[member] = now
        self._failed.pop(member, None)
        for name, (encoded, told) in self._own.items():
            if told < HINT_TOLD:
                self._own[name] = encoded, told + 1
                self._ground.out.put(member, Part.HINT, encoded)
        for topic in self._ground.topics.values():
            if self.lacks(topic, now) and not self._promising(topic, now):
                self._ground.out.put(member, Part.SEEK, topic_field(topic.name))

    def has_work(self) -> bool:
        """Is there somebody to let go of, or a hint to pass on?"""
        return bool(self._held) or bool(self._spreading)

    def gone(self, member: Digest, now: float) -> None:
        """There is none any more."""
        if member in self._held:
            self._held[member] = now

    # ---- what peers say and ask ----

    def take_hint(self, member: Digest, encoded: bytes, now: float, wall: float) -> None:
        """Somebody subscribes."""
        ground = self._ground
        try:
            taken = self.hints.take(encoded, ground.keys(wall), wall)
        except RecordRefused as refused:
            ground.counters[f"hint-refused-{refused.reason}"] += 1
            if refused.reason not in EXCUSED:
                ground.breach(member, Breach.BAD_HINT, now)
            return
        if taken is None:
            return
        hint, spreads = taken
        if (topic := ground.topics.get(hint.topic)) is not None:
            self.look(topic, now)
        if spreads:
            self._spreading[hint.topic, hint.member] = member, encoded
            if len(self._spreading) > MOST_HINTS:
                self._spreading.popitem(last=False)
            self._spread(now)

    def _spread(self, now: float) -> None:
        """Pass hints on, no faster than peers take them: one with many topics must not make us flood others."""
        while self._spreading and self._pace.take(now):
            (_, about), (teller, encoded) = self._spreading.popitem(last=False)
            others = [each for each in self._ground.peers.sessions if each not in {teller, about}]
            for each in self._ground.drawn(others)[:MOST_TOLD]:
                self._ground.out.put(each, Part.HINT, encoded)

    def take_seek(self, member: Digest, topic: str) -> None:
        """Who subscribes?"""
        for hint in self.hints.of(topic)[:MOST_OF_TOPIC]:
            if hint.member != member:
                self._ground.out.put(member, Part.HINT, hint.encoded)

    # ---- sessions ----

    def look(self, topic: Topic, now: float) -> None:
        """Call members that may help, if there are too few."""
        if not self.lacks(topic, now):
            return
        peers = self._ground.peers
        calling = sum(member not in peers.sessions for member in self._held)
        lacking = self._enough(topic, now) - len(peers.of(topic.name))
        for member in self._promising(topic, now)[: max(0, min(MOST_CALLED - calling, lacking))]:
            self._hold(member, now)

    def beat(self, topic: Topic, now: float, wall: float) -> None:
        """Look for more, and say again that we are there."""
        for hint in self.hints.of(topic.name):
            if self._ground.scores.score(hint.member, now) < 0:
                self.hints.drop(topic.name, hint.member)
        if topic.subscribed and topic.renew_at <= now:
            self.announce(topic, now, wall)
        if self.lacks(topic, now):
            self.look(topic, now)
            if topic.seek_at <= now:
                self.seek(topic, now)
        else:
            topic.seek_pause = FIRST_SEEK

    def sort_out(self, now: float) -> None:
        """Keep the sessions that a topic needs, and let go of the others; pass on hints that waited."""
        self._spread(now)
        ground = self._ground
        needed = {member for topic in ground.topics.values() for member in topic.links}
        for member in needed - self._held.keys():
            self._hold(member, now)
        spare = {topic.name: self._enough(topic, now) - len(topic.links) for topic in ground.topics.values()}
        for member, since in list(self._held.items()):
            if member in needed or self._is_spare(member, spare):
                continue
            here = member in ground.peers.sessions
            if now < since + (PROVE_SECONDS if here else CALL_SECONDS):
                if here and not self._of_use(member):
                    ground.ask_topics(member, now)
                continue
            self._release(member)
            if not here or not self._of_use(member):
                self._fail(member, now)

    def _is_spare(self, member: Digest, spare: dict[str, int]) -> bool:
        peer = self._ground.peers.sessions.get(member)
        for name in spare if peer else ():
            if spare[name] > 0 and member in self._ground.peers.of(name):
                spare[name] -= 1
                return True
        return False

    def _of_use(self, member: Digest) -> bool:
        return any(member in self._ground.peers.of(name) for name in self._ground.topics)

    def _hold(self, member: Digest, now: float) -> None:
        self._held[member] = now
        self.wishes.append(Hold(member))

    def _release(self, member: Digest) -> None:
        del self._held[member]
        self.wishes.append(Release(member))

    def _fail(self, member: Digest, now: float) -> None:
        """It cannot be had, or does not subscribe."""
        self._failed[member] = now + FAILED_SECONDS
        if len(self._failed) > MOST_FAILED:
            self._failed.popitem(last=False)
        for topic in self._ground.topics.values():
            topic.candidates.pop(member, None)
            self.hints.drop(topic.name, member)

    def _promising(self, topic: Topic, now: float) -> list[Digest]:
        ground = self._ground
        known = dict.fromkeys([*topic.candidates, *(hint.member for hint in self.hints.of(topic.name))])
        return ground.drawn(
            [
                member
                for member in known
                if member not in self._held
                and member not in ground.peers.sessions
                and self._failed.get(member, 0.0) <= now
                and ground.scores.score(member, now) >= 0
            ]
        )

    def _enough(self, topic: Topic, now: float) -> int:
        if topic.subscribed:
            return D + RESERVE if len(self._ground.topics) <= FEW_TOPICS else FEW_PEERS
        return PUBLISHERS_PEERS if topic.is_used(now) else 0

    def lacks(self, topic: Topic, now: float) -> bool:
        """Are there too few peers of a topic?"""
        return len(self._ground.peers.of(topic.name)) < self._enough(topic, now)

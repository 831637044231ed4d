"""Messages on their way: judged, delivered once, passed on, told of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Final

from appliance.knowledge.pubsub.caches import KEPT_SECONDS, MOST_GIVEN, Cache, Kept, Seen
from appliance.knowledge.pubsub.ground import Breach, Ground
from appliance.knowledge.pubsub.limits import Allowance, Limits
from appliance.knowledge.pubsub.mesh import D_LOW, EAGER, Topic
from appliance.knowledge.pubsub.meshes import Meshes
from appliance.knowledge.pubsub.message import Delivered, Message, Verdict, id_of, read_message, sign_message, topic_of
from appliance.knowledge.pubsub.pulls import Pulls
from appliance.knowledge.pubsub.scoring import GOSSIP, PUBLISH
from appliance.knowledge.pubsub.wire import Part, have_value
from appliance.knowledge.signed import Fault, RecordRefused, read_head
from appliance.members.row import Digest

LATE_SECONDS: Final = 0.03
"""If a message comes so much later than the first word of it, whoever said that becomes eager: the tree follows what is quick."""
TELL_SECONDS: Final = 0.03
"""Where more comes in so short a time, its ids are told together."""
GOSSIP_SECONDS: Final = 4.0
"""Messages not older than this are told to peers outside the mesh, and to whoever comes into it."""
FEW: Final = 2
"""In so small a mesh nobody else may tell what was lost: it is told with each heartbeat for as long."""
D_LAZY: Final = 6
GOSSIP_FACTOR: Final = 0.25
MOST_TOLD: Final = 500
"""Ids in one part."""
WHOLE: Final = 6
"""To so many peers at least an author sends its message whole; all others of the topic are told of it."""
NEAR_SECONDS: Final = 1.0
"""Who brings a message or tells of it so soon after it came had it in time (P3)."""
TOLD_OFF: Final = 0.2
"""Of messages that come whole from a peer outside the mesh, how many are answered by a prune: it may have missed the first."""
GOOD_FOR_NOTHING: Final = frozenset({Fault.EXPIRED, Fault.FUTURE, Fault.UNKNOWN})
"""Faults for which the sender may not be to blame: clocks differ, and certificates spread."""


class Flow:
    """Of one node."""

    def __init__(self, ground: Ground, meshes: Meshes, limits: Limits, tell_topics: Callable[[Digest], None]) -> None:
        """`tell_topics`: say to a peer what we subscribe to."""
        self.delivered: list[Delivered] = []
        self.validate: dict[str, Callable[[Delivered], Verdict]] = {}
        self.seen = Seen()
        self.cache = Cache()
        self._ground = ground
        self._meshes = meshes
        self._limits = limits
        self._tell_topics = tell_topics
        self._pulls = Pulls(ground, self._make_eager)
        self._sequence = 0
        self._to_tell: dict[tuple[Digest, str], list[Kept]] = {}
        """By peer and topic, what it is to be told of."""
        self._told_at = -inf
        self._gossiped_at = -inf
        self._weighed_until = -inf

    # ---- our own ----

    def publish(self, topic: Topic, data: bytes, now: float, wall: float) -> bytes:
        """Send a message of ours. Raises ValueError if it is too long."""
        ground = self._ground
        self._sequence = max(self._sequence + 1, int(wall * 1e6))
        message = sign_message(topic.name, data, ground.own, ground.network, self._sequence, wall, ground.sign)
        kept = self._keep(message, now, wall)
        if topic.subscribed:
            self.delivered.append(message.delivered)
        self._send_own(topic, kept, now)
        ground.counters["published"] += 1
        return kept.id

    def _send_own(self, topic: Topic, kept: Kept, now: float) -> None:
        ground = self._ground
        peers = [each for each in ground.peers.of(topic.name) if ground.scores.score(each, now) >= PUBLISH]
        whole = [each for each in peers if each in topic.links and topic.links[each].eager_out]
        whole += [each for each in ground.drawn(peers) if each not in whole][: max(0, WHOLE - len(whole))]
        for member in peers:
            if member in whole:
                self._send(kept, member)
            else:
                self._tell(topic.name, [kept.id], member)

    # ---- what peers send ----

    def take(self, member: Digest, encoded: bytes, now: float, wall: float) -> None:
        """A message came."""
        try:
            head = read_head(encoded)
            name = topic_of(head.content)
        except RecordRefused as refused:
            self._fault(member, "", refused.reason, now)
            return
        topic = self._ground.topics.get(name)
        if topic is None or not topic.subscribed:
            if self._of_no_use(member, "not-subscribed", now) and self._ground.jitter() < TOLD_OFF:
                self._tell_topics(member)
            return
        ident = id_of(encoded)
        if topic.is_backed_off(member, now) and self._ground.jitter() < TOLD_OFF:
            self._meshes.say_again(topic, member, now)
        if ident in self.seen:
            self._again(member, topic, ident, now)
        elif self.seen.may_be_forgotten(head.member, head.written):
            self._of_no_use(member, "older-than-remembered", now)
        else:
            self._judge(member, topic, encoded, now, wall)

    def _again(self, member: Digest, topic: Topic, ident: bytes, now: float) -> None:
        """It is here already: from now on the peer only tells us."""
        self._ground.counters["duplicates"] += 1
        kept = self.cache.get(ident)
        if kept is None or member in kept.senders:
            self._of_no_use(member, "sent-twice", now)
        else:
            kept.holders.add(member)
            kept.senders.add(member)
        link = topic.links.get(member)
        if link is not None and link.eager_in and len(topic.eager) > EAGER:
            self._meshes.say_eager(topic, member, eager=False)

    def _judge(self, member: Digest, topic: Topic, encoded: bytes, now: float, wall: float) -> None:
        ground = self._ground
        try:
            message = read_message(encoded, ground.network, ground.keys(wall), wall, ground.verify)
        except RecordRefused as refused:
            self._fault(member, topic.name, refused.reason, now)
            return
        if not self._limits.author_may(message.delivered.author, now):
            ground.counters["author-too-often"] += 1
            self._note(message, now, wall)
            return
        verdict = self._verdict(message.delivered)
        if verdict is not Verdict.ACCEPT:
            ground.counters["ignored"] += verdict is Verdict.IGNORE
            self._note(message, now, wall)
            if verdict is Verdict.REJECT:
                ground.count(member, Breach.REJECTED)
                ground.scores.invalid(member, topic.name, now)
            return
        kept = self._keep(message, now, wall)
        kept.holders.add(member)
        kept.senders.add(member)
        self.delivered.append(message.delivered)
        ground.counters["delivered"] += 1
        ground.scores.first(member, topic.name, now)
        if (link := topic.links.get(member)) is not None:
            link.gave_at = now
        if (pull := self._pulls.end(kept.id)) is not None:
            kept.holders |= pull.holders
            if pull.asked == member:
                ground.scores.promised(member, now, kept=True)
            if pull.asked is None and now - pull.told_at > LATE_SECONDS:
                self._make_eager(pull.first, topic)
        self._pass_on(topic, kept)
        self._tell_all(now)

    def _verdict(self, delivered: Delivered) -> Verdict:
        judge = self.validate.get(delivered.topic)
        if judge is None:
            return Verdict.ACCEPT
        try:
            return judge(delivered)
        except Exception:  # noqa: BLE001 - it is somebody else's, and what a peer sends must not end more than the message
            self._ground.counters["judgement-failed"] += 1
            return Verdict.IGNORE

    def _fault(self, member: Digest, topic: str, why: Fault, now: float) -> None:
        if why in GOOD_FOR_NOTHING:
            self._of_no_use(member, f"refused-{why}", now)
            return
        self._ground.counters[f"refused-{why}"] += 1
        self._ground.count(member, Breach.INVALID)
        self._ground.scores.invalid(member, topic, now)

    def _of_no_use(self, member: Digest, why: str, now: float) -> bool:
        """It happens among honest nodes, if seldom. False: it happens too often."""
        self._ground.counters[why] += 1
        return self._limits.may(member, Allowance.UNASKED, now)

    def _note(self, message: Message, now: float, wall: float) -> None:
        delivered = message.delivered
        self.seen.add(delivered.id, delivered.author, delivered.written, now + message.expires - wall, now)

    def _keep(self, message: Message, now: float, wall: float) -> Kept:
        self._note(message, now, wall)
        kept = Kept(message.delivered.id, message.delivered.topic, message.delivered.author, message.encoded, now)
        self.cache.add(kept)
        return kept

    def _pass_on(self, topic: Topic, kept: Kept) -> None:
        for member, link in topic.links.items():
            if member in kept.holders:
                continue
            if link.eager_out:
                self._send(kept, member)
            else:
                self._to_tell.setdefault((member, topic.name), []).append(kept)

    def _tell_all(self, now: float) -> None:
        """At once if nothing was told lately."""
        if not self._to_tell or now < self._told_at + TELL_SECONDS:
            return
        told, self._to_tell, self._told_at = self._to_tell, {}, now
        for (member, topic), kepts in told.items():
            if member in self._ground.peers.sessions and (ids := [kept.id for kept in kepts if member not in kept.holders]):
                self._tell(topic, ids, member)

    def _send(self, kept: Kept, member: Digest) -> None:
        kept.given[member] = kept.given.get(member, 0) + 1
        self._ground.out.put(member, Part.MESSAGE, kept.encoded)

    def _tell(self, topic: str, ids: list[bytes], member: Digest) -> None:
        for at in range(0, len(ids), MOST_TOLD):
            self._ground.out.put(member, Part.HAVE, have_value(topic, ids[at : at + MOST_TOLD]))

    # ---- told of, and asked for ----

    def holds(self, member: Digest, ident: bytes) -> None:
        """A peer has a message: it needs no more telling."""
        kept = self.cache.get(ident)
        if kept is not None:
            kept.holders.add(member)

    def take_have(self, member: Digest, ids: Iterable[bytes], now: float) -> None:
        """A peer says what it has."""
        if self._ground.scores.score(member, now) < GOSSIP:
            self._ground.counters["not-believed"] += 1
            return
        for ident in ids:
            if ident in self.seen:
                self.holds(member, ident)
            else:
                self._pulls.told(member, ident, now)

    def take_want(self, member: Digest, ids: Iterable[bytes], now: float) -> None:
        """A peer asks for messages."""
        for ident in ids:
            kept = self.cache.get(ident)
            if kept is None:
                self._ground.counters["not-there"] += 1
            elif kept.given.get(member, 0) >= MOST_GIVEN:
                self._ground.counters["given-often"] += 1
            elif self._limits.has(member, Allowance.BYTES, now, len(kept.encoded)):
                self._send(kept, member)

    # ---- time ----

    def next_due(self) -> float:
        """When somebody is to be told of what came, or asked for what is missing."""
        tell = self._told_at + TELL_SECONDS if self._to_tell else inf
        return min(tell, self._pulls.next_due())

    def due(self, now: float) -> None:
        """Tell of what came, and ask for what was told and did not come."""
        self._tell_all(now)
        self._pulls.due(now)

    def _make_eager(self, member: Digest, topic: Topic) -> None:
        """Whoever has what the eager links did not bring, or brought late, becomes one of them."""
        link = topic.links.get(member)
        if link is None or link.eager_in:
            return
        if len(topic.eager) >= EAGER:
            self._meshes.say_eager(topic, topic.least_useful(), eager=False)
        self._meshes.say_eager(topic, member, eager=True)

    def beat(self, now: float) -> None:
        """Tell peers outside the meshes what came lately, and those inside what may have been lost on the way."""
        self.cache.age(now)
        self._weigh(now)
        recent: dict[str, list[Kept]] = {}
        for kept in self.cache.since(now - GOSSIP_SECONDS):
            recent.setdefault(kept.topic, []).append(kept)
        for name, kepts in recent.items():
            topic = self._ground.topics.get(name)
            if topic is not None:
                self._gossip(topic, kepts, now)
        self._gossiped_at = now

    def _weigh(self, now: float) -> None:
        """Who in the mesh had what came since the last time (P3)? In a small topic nobody can be spared, so nobody is weighed."""
        ground = self._ground
        for kept in self.cache.since(self._weighed_until):
            topic = ground.topics.get(kept.topic)
            if kept.at > now - NEAR_SECONDS or kept.author == ground.own or topic is None:
                continue
            if len(ground.peers.of(topic.name)) <= D_LOW:
                continue
            for member, link in topic.links.items():
                if link.since < kept.at:
                    given = member in kept.holders
                    ground.scores.chance(member, topic.name, kept.author, now, given=given)
        self._weighed_until = max(self._weighed_until, now - NEAR_SECONDS)

    def _gossip(self, topic: Topic, kepts: list[Kept], now: float) -> None:
        ground = self._ground
        outside = [
            each for each in ground.peers.of(topic.name) if each not in topic.links and ground.scores.score(each, now) >= GOSSIP
        ]
        chosen = ground.drawn(outside)[: max(D_LAZY, int(GOSSIP_FACTOR * len(outside)))]
        for member in chosen:
            if ids := [kept.id for kept in kepts if member not in kept.holders]:
                self._tell(topic.name, ids, member)
        fresh = kepts if len(topic.links) <= FEW else [kept for kept in kepts if kept.at > self._gossiped_at]
        for member in topic.links:
            if ids := [kept.id for kept in fresh if member in kept.given and member not in kept.holders]:
                self._tell(topic.name, ids, member)

    def welcome(self, topic: Topic, member: Digest, now: float) -> None:
        """A peer came into the topic: it may have missed what was said lately, or be the first that we found to publish to."""
        peer = self._ground.peers.sessions[member]
        if now < peer.welcomed.get(topic.name, -inf) + GOSSIP_SECONDS:
            return  # it comes and goes: each time is a look at all that is kept, and up to 10 KB
        peer.welcomed[topic.name] = now
        if self._ground.scores.score(member, now) >= GOSSIP:
            ids = [
                kept.id
                for kept in self.cache.since(now - (GOSSIP_SECONDS if topic.subscribed else KEPT_SECONDS))
                if kept.topic == topic.name and member not in kept.holders and member not in kept.given
            ]
            if ids:
                self._tell(topic.name, ids[:MOST_TOLD], member)

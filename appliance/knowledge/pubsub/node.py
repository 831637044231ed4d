"""Publish and subscribe of one node, after gossipsub 1.1 (github.com/libp2p/specs, pubsub/gossipsub), 1.2 and Plumtree.

    `flow`     messages: judged, delivered once, passed on         `caches`   what was seen, and what can be had from us
    `pulls`    messages that others have                           `subscriptions`  what we and our peers subscribe to
    `meshes`   who is in the mesh of each topic                    `mesh`     one topic
    `finding`  sessions with others of a topic                     `hints`    who says that it subscribes
    `scoring`  what is thought of whom                             `peers`    who has a session
    `wire`     the bytes

A topic is made by subscribing to it; nobody owns it. Each member of the network may publish in each topic: what a topic takes is
for its `validate` to say. Messages come in any order, at most once, and hardly ever not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, Final

from appliance.knowledge.effects import Ask, Deed
from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.finding import Finding
from appliance.knowledge.pubsub.flow import Flow
from appliance.knowledge.pubsub.ground import Breach, Ground
from appliance.knowledge.pubsub.limits import Allowance, Limits
from appliance.knowledge.pubsub.mesh import Topic
from appliance.knowledge.pubsub.meshes import OPPORTUNE_SECONDS, Meshes
from appliance.knowledge.pubsub.message import MOST_DATA, Delivered, Verdict
from appliance.knowledge.pubsub.peers import MOST_TOPICS
from appliance.knowledge.pubsub.scoring import GRAYLIST, Scores
from appliance.knowledge.pubsub.subscriptions import Subscriptions
from appliance.knowledge.pubsub.wire import KIND, Malformed, Part, is_topic
from appliance.members.effects import Hold, Release, Say
from appliance.members.row import Digest, Verifier, ed25519_good

FAMILY: Final = "topics"
BEAT_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 10.0
"""Between two heartbeats when nothing happened for a while."""
BUSY_SECONDS: Final = 10.0
"""How long something counts as having happened."""
COSTS: Final = {Part.TOPICS: 10.0, Part.TELL: 50.0, Part.SEEK: 2.0, Part.MESSAGE: 0.0, Part.HAVE: 0.0, Part.WANT: 0.0}
"""What a part counts for among those of a peer: one that names 200 topics, one that asks for them, one that brings about
eight hints; 0: it has limits of
its own."""
MOST_PUBLISHED: Final = 100
"""Topics without a subscription for which peers are kept; the first gives way."""
PUBLISHES_SECONDS: Final = 60.0
"""How long peers are kept for a topic in which this node published without subscribing."""

__all__ = ["FAMILY", "MOST_DATA", "MOST_TOPICS", "Delivered", "PubSub", "Verdict"]


class PubSub:
    """One node's part; a `knowledge.machine.Machine`."""

    def __init__(
        self,
        own: Digest,
        network: Digest,
        keys: Callable[[float], Mapping[Digest, bytes]],
        sign: Callable[[bytes], bytes],
        jitter: Callable[[], float],
        now: float,
        verify: Verifier = ed25519_good,
        doubts: Callable[[Digest], bool] = lambda _: False,
    ) -> None:
        """`keys(wall)`: the members' Ed25519 keys. `sign`: Ed25519 with our own. `jitter`: a random number in [0, 1). `doubts`:
        is a member doubtful by what the rest of the node saw of it?"""
        self.said: list[Say] = []
        self.asked: list[Ask] = []
        self._ground = ground = Ground(own, network, keys, sign, jitter, verify, scores=Scores(doubts))
        self._meshes = Meshes(ground)
        self._limits = Limits(ground)
        self._subscriptions = Subscriptions(ground, self._joined, self._left)
        self._flow = Flow(ground, self._meshes, self._limits, self._subscriptions.tell)
        self._finding = Finding(ground, now)
        self.validate = self._flow.validate
        """By topic, what judges its messages: quick, without side effects, and the same everywhere."""
        self._beat_at = inf
        self._busy_until = now
        self._opportune_at = now + OPPORTUNE_SECONDS
        self._handlers: dict[Part, Callable[[Digest, bytes, float, float], None]] = {
            Part.TOPICS: self._subscriptions.take_topics,
            Part.JOIN: self._subscriptions.take_join,
            Part.LEAVE: self._subscriptions.take_leave,
            Part.VERSION: self._subscriptions.take_version,
            Part.TELL: self._subscriptions.take_tell,
            Part.MESSAGE: self._flow.take,
            Part.HAVE: self._take_have,
            Part.WANT: self._take_want,
            Part.GRAFT: self._take_graft,
            Part.PRUNE: self._take_prune,
            Part.LAZY: self._take_lazy,
            Part.EAGER: self._take_eager,
            Part.HINT: self._finding.take_hint,
            Part.SEEK: self._take_seek,
        }

    @property
    def delivered(self) -> list[Delivered]:
        """Messages for programs of this host; whoever drives this takes them."""
        return self._flow.delivered

    @delivered.setter
    def delivered(self, left: list[Delivered]) -> None:
        self._flow.delivered = left

    @property
    def wishes(self) -> list[Hold | Release]:
        """With whom to have sessions."""
        return self._finding.wishes

    @wishes.setter
    def wishes(self, left: list[Hold | Release]) -> None:
        self._finding.wishes = left

    @property
    def deeds(self) -> list[Deed]:
        """What speaks for or against members."""
        return self._ground.deeds

    @deeds.setter
    def deeds(self, left: list[Deed]) -> None:
        self._ground.deeds = left

    # ---- what programs of this host want ----

    def subscribe(self, topic: str, now: float) -> None:
        """Have the messages of a topic. Raises ValueError for what is no topic, or one too many."""
        found = self._topic(topic)
        if found.subscribed:
            return
        if sum(each.subscribed for each in self._ground.topics.values()) >= MOST_TOPICS:
            raise ValueError(f"a node subscribes to at most {MOST_TOPICS} topics")
        found.subscribed = True
        found.renew_at, found.seek_at = now, now
        self._subscriptions.changed(Part.JOIN, topic)
        self._meshes.fill(found, now)
        self._beat_at = now
        self._done(now)

    def unsubscribe(self, topic: str, now: float) -> None:
        """Have them no more."""
        found = self._ground.topics.get(topic)
        if found is None or not found.subscribed:
            return
        self._meshes.leave(found, now)
        self._finding.withdraw(found)
        found.subscribed = False
        self._subscriptions.changed(Part.LEAVE, topic)
        self._finding.sort_out(now)
        self._done(now)

    def publish(self, topic: str, data: bytes, now: float, wall: float) -> bytes:
        """Say something in a topic, subscribed or not. Returns the message's id. Raises ValueError for what is no topic, and for
        more than MOST_DATA bytes."""
        if len(data) > MOST_DATA:
            raise ValueError(f"{len(data)} bytes are more than the {MOST_DATA} that a message holds")
        found = self._topic(topic)
        found.publishes_until = now + PUBLISHES_SECONDS
        ident = self._flow.publish(found, data, now, wall)
        if not found.subscribed:
            self._beat_at = min(self._beat_at, now)
        self._done(now)
        return ident

    def lacking(self, now: float) -> dict[str, bool]:
        """Topics of ours for which too few peers are known; True where we subscribe, False where we only publish."""
        topics = self._ground.topics.values()
        return {topic.name: topic.subscribed for topic in topics if self._finding.lacks(topic, now)}

    def candidates(self, topic: str, members: Iterable[Digest], now: float) -> None:
        """Members that are said to subscribe to a topic of ours, from wherever this host knows it."""
        found = self._ground.topics.get(topic)
        if found is not None:
            for member in members:
                if member != self._ground.own:
                    found.suggest(member)
            self._finding.look(found, now)
            self._done(now)

    # ---- for people ----

    def topics(self) -> dict[str, dict[str, Any]]:
        """Each topic of ours: is it subscribed, and how many peers and members of the mesh it has."""
        return {
            name: {
                "subscribed": topic.subscribed,
                "peers": len(self._ground.peers.of(name)),
                "mesh": len(topic.links),
            }
            for name, topic in sorted(self._ground.topics.items())
            if topic.subscribed or topic.publishes_until > 0
        }

    def mesh(self, topic: str, now: float) -> dict[Digest, float]:
        """Who passes messages of a topic on with us, and what is thought of each."""
        found = self._ground.topics.get(topic)
        return {} if found is None else {member: self._ground.scores.score(member, now) for member in found.links}

    def scores(self, now: float) -> Mapping[Digest, float]:
        """What is thought of the members that were met."""
        return self._ground.scores.all(now)

    def figures(self) -> Mapping[str, int]:
        """What was counted, and how much is kept."""
        ground = self._ground
        return {
            **ground.counters,
            "topics": len(ground.topics),
            "sessions": len(ground.peers.sessions),
            "seen": len(self._flow.seen),
            "kept": len(self._flow.cache),
            "kept-bytes": self._flow.cache.size,
            "hints": len(self._finding.hints),
        }

    # ---- what happens (knowledge.machine.Machine) ----

    def connected(self, member: Digest, now: float) -> None:
        """There is a session with a member."""
        ground = self._ground
        ground.peers.connected(member)
        ground.scores.connected(member, now)
        self._subscriptions.connected(member)
        self._finding.connected(member, now)
        self._done(now)

    def gone(self, member: Digest, now: float) -> None:
        """There is none any more."""
        ground = self._ground
        ground.peers.gone(member)
        ground.scores.gone(member, now)
        self._limits.forget(member)
        self._flow.cache.forget(member)
        for topic in ground.topics.values():
            if member in topic.links:
                self._meshes.drop(topic, member, now)
                self._meshes.fill(topic, now)
        self._finding.gone(member, now)
        self._done(now)

    def take(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> None:
        """A message of a member came."""
        ground = self._ground
        if member not in ground.peers.sessions:
            return
        if ground.scores.score(member, now) < GRAYLIST:
            ground.counters["graylisted"] += 1
            return
        try:
            if kind != KIND:
                raise Malformed
            for part, value in wire.read_parts(body):
                cost = COSTS.get(part, 1.0)
                if cost and not self._limits.may(member, Allowance.PARTS, now, cost):
                    break
                self._handlers[part](member, value, now, wall)
        except Malformed:
            ground.breach(member, Breach.MALFORMED, now)
        self._done(now)

    def answer(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> bytes | None:  # noqa: ARG002
        """Nothing is to be asked."""
        self._ground.counters["asked"] += 1
        return None

    def answered(self, number: int, body: bytes | None, now: float, wall: float) -> None:
        """Nothing is asked."""

    def next_due(self) -> float:
        """When `due` wants to be called."""
        return min(self._beat_at, self._flow.next_due())

    def due(self, now: float, wall: float) -> None:
        """Time passed."""
        self._flow.due(now)
        if self._beat_at <= now:
            self._beat(now, wall)
        self._flush()

    def _beat(self, now: float, wall: float) -> None:
        ground = self._ground
        for topic in list(ground.topics.values()):
            self._meshes.beat(topic, now)
            if not topic.is_used(now) and not topic.backoff:
                del ground.topics[topic.name]
                continue
            self._finding.beat(topic, now, wall)
        if self._opportune_at <= now:
            self._opportune_at = now + OPPORTUNE_SECONDS
            for topic in ground.topics.values():
                self._meshes.look_for_better(topic, now)
        self._flow.beat(now)
        self._finding.sort_out(now)
        self._finding.hints.age(wall)
        ground.scores.age(now)
        self._subscriptions.tell_again()
        pause = BEAT_SECONDS if now < self._busy_until else QUIET_SECONDS
        self._beat_at = now + pause if self._has_work() else inf

    def _has_work(self) -> bool:
        return bool(self._ground.topics) or bool(len(self._flow.cache)) or self._finding.has_work()

    # ---- what peers say ----

    def _take_have(self, member: Digest, value: bytes, now: float, _wall: float) -> None:
        name, ids = wire.read_have(value)
        if self._subscribed(name) is not None and self._limits.may(member, Allowance.IDS, now, len(ids)):
            self._flow.take_have(member, ids, now)

    def _take_want(self, member: Digest, value: bytes, now: float, _wall: float) -> None:
        ids = wire.read_ids(value)
        if self._limits.may(member, Allowance.IDS, now, len(ids)):
            self._flow.take_want(member, ids, now)

    def _take_graft(self, member: Digest, value: bytes, now: float, _wall: float) -> None:
        name, lazy, answer = wire.read_graft(value)
        if (topic := self._subscribed(name)) is None:
            self._ground.counters["graft-of-unknown-topic"] += 1
            return
        if self._ground.peers.add(member, name):
            self._joined(member, name, now)
        was = member in topic.links
        self._meshes.take_graft(member, topic, now, lazy=lazy, answer=answer)
        if member in topic.links and (answer or not was):
            self._flow.welcome(topic, member, now)

    def _take_prune(self, member: Digest, value: bytes, now: float, wall: float) -> None:
        name, seconds, others = wire.read_prune(value)
        if (topic := self._subscribed(name)) is not None:
            self._meshes.take_prune(member, topic, seconds, others, now, wall)
            self._finding.look(topic, now)

    def _take_lazy(self, member: Digest, value: bytes, _now: float, _wall: float) -> None:
        if (topic := self._subscribed(wire.only_topic(value))) is not None:
            self._meshes.take_eager(member, topic, eager=False)

    def _take_eager(self, member: Digest, value: bytes, _now: float, _wall: float) -> None:
        if (topic := self._subscribed(wire.only_topic(value))) is not None:
            self._meshes.take_eager(member, topic, eager=True)

    def _take_seek(self, member: Digest, value: bytes, _now: float, _wall: float) -> None:
        self._finding.take_seek(member, wire.only_topic(value))

    def _joined(self, member: Digest, name: str, now: float) -> None:
        """A peer subscribes to a topic: it is asked into our mesh at once, and told what it may just have missed."""
        topic = self._ground.topics.get(name)
        if topic is not None:
            self._meshes.fill(topic, now)
            if not topic.subscribed:
                self._flow.welcome(topic, member, now)

    def _left(self, member: Digest, name: str, now: float) -> None:
        topic = self._ground.topics.get(name)
        if topic is not None and member in topic.links:
            self._meshes.drop(topic, member, now)
            self._meshes.fill(topic, now)

    # ---- within ----

    def _topic(self, name: str) -> Topic:
        if not is_topic(name):
            raise ValueError("a topic is 1 to 64 letters, digits, and . _ - /")
        topics = self._ground.topics
        if name not in topics:
            topics[name] = Topic(name)
            others = [each for each, topic in topics.items() if not topic.subscribed]
            if len(others) > MOST_PUBLISHED:
                del topics[others[0]]
        return topics[name]

    def _subscribed(self, name: str) -> Topic | None:
        topic = self._ground.topics.get(name)
        return topic if topic is not None and topic.subscribed else None

    def _done(self, now: float) -> None:
        """Something happened: the heart beats quicker for a while."""
        self._busy_until = now + BUSY_SECONDS
        if self._has_work():
            self._beat_at = min(self._beat_at, now + BEAT_SECONDS)
        self._flush()

    def _flush(self) -> None:
        self.said += self._ground.out.flush()

"""Many nodes that publish and subscribe, in one process and in virtual time.

The machines are real (`knowledge.pubsub`), the sessions a simple model. Each node has about five neighbours, as members have;
further sessions are there while one of both ends holds them, and take 0.3 s to come up. Messages take 20 to 80 ms, and one in a
hundred is lost. Signatures are modelled by hashes, and what is found good once is not looked at again: all nodes of the process
share that memory, and nothing else.
"""

from __future__ import annotations

import functools
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from appliance.knowledge.effects import Deed
from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.message import id_of
from appliance.knowledge.pubsub.node import Delivered, PubSub
from appliance.knowledge.pubsub.wire import Part
from appliance.members.effects import Hold, Say
from appliance.members.row import Digest
from appliance.protocol.digests import sha256
from appliance.testing.network import VirtualClock

NETWORK = sha256(b"the network")
EPOCH = 1_800_000_000
"""The wall's time when the clock says 0."""
NEIGHBOURS = 5
SESSION_SECONDS = 0.3
LOSS = 0.01


def signed_by(key: bytes, said: bytes) -> bytes:
    """A model of a signature: whoever has the key could forge it, and no node of a test tries."""
    return sha256(key + said) * 2


@functools.cache
def good(key: bytes, signature: bytes, said: bytes) -> bool:
    return signature == signed_by(key, said)


class Node:
    """One node, and what became of it."""

    def __init__(self, audience: Audience, number: int) -> None:
        self.audience = audience
        self.number = number
        self.key = sha256(b"key of %d" % number)
        self.digest = sha256(b"identity" + self.key)
        self.up = True
        self.held: set[Digest] = set()
        self.got: list[Delivered] = []
        self.deeds: list[Deed] = []
        self.pruned_at: dict[Digest, float] = {}
        self._due = float("inf")

    def __repr__(self) -> str:
        return f"node {self.number}"

    def start(self) -> None:
        audience = self.audience
        self.machine = PubSub(
            self.digest,
            NETWORK,
            lambda wall: audience.keys,
            functools.partial(signed_by, self.key),
            audience.random.random,
            audience.now,
            good,
        )

    def subscribe(self, topic: str) -> None:
        self.machine.subscribe(topic, self.audience.now)
        self.act()

    def unsubscribe(self, topic: str) -> None:
        self.machine.unsubscribe(topic, self.audience.now)
        self.act()

    def publish(self, topic: str, data: bytes) -> bytes:
        ident = self.machine.publish(topic, data, self.audience.now, self.audience.wall)
        self.audience.hops[ident][self.digest] = 0
        self.act()
        return ident

    def ids(self) -> list[bytes]:
        return [each.id for each in self.got]

    def mesh(self, topic: str) -> set[Digest]:
        found = self.machine._ground.topics.get(topic)
        return set(found.links) if found else set()

    def knows(self, other: Node) -> bool:
        return other.digest in self.machine.scores(self.audience.now)

    # ---- what its world does ----

    def receive(self, peer: Digest, say: Say) -> None:
        self.machine.take(peer, say.kind, say.body, self.audience.now, self.audience.wall)
        self.act()

    def connected(self, peer: Digest) -> None:
        self.machine.connected(peer, self.audience.now)
        self.act()

    def gone(self, peer: Digest) -> None:
        self.machine.gone(peer, self.audience.now)
        self.act()

    def tick(self, when: float) -> None:
        if when == self._due and self.up:
            self._due = float("inf")
            self.machine.due(self.audience.now, self.audience.wall)
            self.act()

    def act(self) -> None:
        """Do what the machine wants."""
        machine, audience = self.machine, self.audience
        said, machine.said = machine.said, []
        for say in said:
            audience.send(self, say)
        wishes, machine.wishes = machine.wishes, []
        for wish in wishes:
            if isinstance(wish, Hold):
                self.held.add(wish.member)
                audience.clock.call_later(SESSION_SECONDS, functools.partial(audience.call, self, wish.member))
            else:
                self.held.discard(wish.member)
                audience.let_go(self, wish.member)
        got, machine.delivered = machine.delivered, []
        self.got += got
        deeds, machine.deeds = machine.deeds, []
        self.deeds += deeds
        due = max(machine.next_due(), audience.now)
        if due < self._due or self._due < audience.now:
            self._due = due
            audience.clock.call_at(due, functools.partial(self.tick, due))


class Audience:
    """All of them."""

    def __init__(self, size: int, seed: int = 1, kinds: Iterable[type[Node]] = ()) -> None:
        self.clock = VirtualClock(0.0)
        self.random = random.Random(seed)
        self.counters: Counter[str] = Counter()
        self.sessions: set[frozenset[Digest]] = set()
        self.neighbours: set[frozenset[Digest]] = set()
        self.hops: dict[bytes, dict[Digest, int]] = defaultdict(dict)
        """By message: over how many nodes it came to each."""
        self.copies: Counter[bytes] = Counter()
        """Arrivals of each message at nodes."""
        own = [*kinds]
        self.nodes = [(own[number] if number < len(own) else Node)(self, number) for number in range(size)]
        self.by_digest = {node.digest: node for node in self.nodes}
        self.keys = {node.digest: node.key for node in self.nodes}
        for node in self.nodes:
            node.start()

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def now(self) -> float:
        return self.clock.now

    @property
    def wall(self) -> float:
        return EPOCH + self.clock.now

    def acquaint(self) -> None:
        """Each node has neighbours: a ring at random, so that all hang together, and more at random."""
        order = self.random.sample(self.nodes, len(self.nodes))
        degree: Counter[Digest] = Counter()

        def join(one: Node, other: Node) -> None:
            pair = frozenset((one.digest, other.digest))
            if len(pair) == 2 and pair not in self.neighbours:
                self.neighbours.add(pair)
                degree.update(pair)

        for number, one in enumerate(order):
            join(one, order[number - 1])
        for one in order:
            for _ in range(20):
                other = self.random.choice(order)
                if degree[one.digest] < NEIGHBOURS and degree[other.digest] < NEIGHBOURS:
                    join(one, other)
        for pair in sorted(self.neighbours, key=sorted):
            self._connect(pair)

    def run(self, seconds: float) -> None:
        limit = self.now + seconds
        while self.clock.advance(limit):
            pass

    def stop(self, node: Node) -> None:
        """Its process is killed, and its peers notice."""
        node.up = False
        for pair in [pair for pair in self.sessions if node.digest in pair]:
            self.neighbours.discard(pair)
            self._part(pair)

    # ---- sessions ----

    def call(self, node: Node, peer: Digest) -> None:
        other = self.by_digest.get(peer)
        if other is not None and node.up and other.up and peer in node.held:
            self._connect(frozenset((node.digest, peer)))

    def let_go(self, node: Node, peer: Digest) -> None:
        pair = frozenset((node.digest, peer))
        other = self.by_digest.get(peer)
        if pair in self.neighbours or other is None or node.digest in other.held:
            return
        self.clock.call_later(0.0, functools.partial(self._let_go, node, other))

    def _let_go(self, node: Node, other: Node) -> None:
        if other.digest not in node.held and node.digest not in other.held:
            self._part(frozenset((node.digest, other.digest)))

    def _connect(self, pair: frozenset[Digest]) -> None:
        if pair not in self.sessions:
            self.sessions.add(pair)
            one, other = sorted(pair)
            self.by_digest[one].connected(other)
            self.by_digest[other].connected(one)

    def _part(self, pair: frozenset[Digest]) -> None:
        if pair in self.sessions:
            self.sessions.discard(pair)
            one, other = sorted(pair)
            for digest, peer in ((one, other), (other, one)):
                if self.by_digest[digest].up:
                    self.by_digest[digest].gone(peer)

    # ---- messages ----

    def send(self, node: Node, say: Say) -> None:
        self.counters["sent"] += 1
        self.counters["bytes"] += len(say.body)
        assert len(say.body) <= wire.MOST_BODY
        if self.random.random() >= LOSS:
            self.clock.call_later(0.02 + 0.06 * self.random.random(), functools.partial(self._arrive, node.digest, say))

    def _arrive(self, sender: Digest, say: Say) -> None:
        other = self.by_digest[say.peer]
        if other.up and frozenset((sender, say.peer)) in self.sessions:
            self._watch(sender, other.digest, say.body)
            other.receive(sender, say)

    def _watch(self, sender: Digest, receiver: Digest, body: bytes) -> None:
        """How messages travel."""
        if bytes([Part.MESSAGE]) not in body:
            return
        try:
            parts = wire.read_parts(body)
        except wire.Malformed:
            return
        for kind, value in parts:
            if kind is Part.MESSAGE:
                ident = id_of(value)
                self.copies[ident] += 1
                if sender in self.hops[ident]:
                    self.hops[ident].setdefault(receiver, self.hops[ident][sender] + 1)

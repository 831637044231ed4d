"""A thousand members of a hash table in one process and in virtual time: real machines (`knowledge.dht.node`), a simple model of
what is between them.

A question takes 20 to 80 ms each way; without a session three ways more, and there is one for 15 s after that. One in a hundred
is lost and comes a quarter of a second later. A member that is not there does not answer: who asks knows after eight seconds.

Signatures are hashes: who wants to forge one knows the key, but nobody here does.
"""

from __future__ import annotations

import functools
import random
from bisect import bisect
from collections import Counter
from collections.abc import Callable
from itertools import count

from appliance.knowledge.dht.ids import BITS, node_id
from appliance.knowledge.dht.jobs import Finished
from appliance.knowledge.dht.node import SELF_SECONDS, Dht
from appliance.knowledge.dht.wire import K
from appliance.knowledge.effects import Ask, Deed
from appliance.members.row import Digest
from appliance.protocol.digests import sha256
from appliance.testing.network import VirtualClock

NETWORK = sha256(b"the network")
EPOCH = 1_800_000_000
"""The wall's time when the clock says 0."""
LOSS = 0.01
AGAIN_SECONDS = 0.25
SESSION_SECONDS = 15.0
GIVE_UP_SECONDS = 8.0


def sign(key: bytes, said: bytes) -> bytes:
    return 2 * sha256(key + said)


def verify(key: bytes, signature: bytes, said: bytes) -> bool:
    return signature == sign(key, said)


def digest_of(number: int) -> Digest:
    """Of the identity of the node with that number."""
    return sha256(b"identity %d" % number)


class Node:
    """One member."""

    def __init__(self, table: Society, number: int) -> None:
        self.society = table
        self.number = number
        self.key = sha256(b"key %d" % number)
        self.digest = digest_of(number)
        self.up = False
        self.finished: dict[int, Finished] = {}
        self.deeds: list[Deed] = []
        self.sessions: dict[Digest, float] = {}
        """Until when there is one."""
        self._due = float("inf")

    def __repr__(self) -> str:
        return f"node {self.number}"

    def start(self) -> None:
        society = self.society
        self.dht = Dht(
            self.digest,
            NETWORK,
            lambda _wall: society.keys,
            functools.partial(sign, self.key),
            society.random.random,
            society.now,
            verify,
        )
        self.up = True
        self.act()

    def stop(self) -> None:
        self.up = False
        self.sessions.clear()

    def do(self, verb: Callable[..., int], *arguments: object) -> int:
        """Have a program's verb done. Returns the number of the look-up."""
        number = verb(self.dht, *arguments, self.society.now, self.society.wall)
        self.act()
        return number

    # ---- what its world does ----

    def connected(self, peer: Digest) -> None:
        known = self.sessions.get(peer, 0.0) > self.society.now
        self.sessions[peer] = self.society.now + SESSION_SECONDS
        if not known:
            self.dht.connected(peer, self.society.now)
            self.act()

    def answer(self, peer: Digest, ask: Ask) -> bytes | None:
        answer = self.dht.answer(peer, ask.kind, ask.body, self.society.now, self.society.wall)
        self.act()
        return answer

    def answered(self, number: int, body: bytes | None) -> None:
        if self.up:
            self.dht.answered(number, body, self.society.now, self.society.wall)
            self.act()

    def act(self) -> None:
        asked, self.dht.asked = self.dht.asked, []
        for ask in asked:
            self.society.ask(self, ask)
        for finished in self.dht.finished:
            self.finished[finished.number] = finished
        self.dht.finished.clear()
        self.deeds += self.dht.deeds
        self.dht.deeds.clear()
        due = max(self.dht.next_due(), self.society.now)
        if due < self._due or self._due < self.society.now:
            self._due = due
            self.society.clock.call_at(due, functools.partial(self._tick, due))

    def _tick(self, when: float) -> None:
        if when == self._due and self.up:
            self._due = float("inf")
            self.dht.due(self.society.now, self.society.wall)
            self.act()


class Society:
    """All of them."""

    def __init__(self, size: int, seed: int = 1, make: Callable[[Society, int], Node] = Node) -> None:
        self.clock = VirtualClock(0.0)
        self.random = random.Random(seed)
        self.counters: Counter[str] = Counter()
        self.keys: dict[Digest, bytes] = {}
        self.nodes: dict[Digest, Node] = {}
        self._numbers = count()
        for _ in range(size):
            self.add(make)

    @property
    def now(self) -> float:
        return self.clock.now

    @property
    def wall(self) -> float:
        return EPOCH + self.clock.now

    @property
    def up(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.up]

    def add(self, make: Callable[[Society, int], Node] = Node) -> Node:
        node = make(self, next(self._numbers))
        self.nodes[node.digest] = node
        self.keys = {**self.keys, node.digest: node.key} if self.up else self.keys
        self.keys[node.digest] = node.key
        return node

    def join(self, node: Node, bootstrap: Node | None = None) -> None:
        """It starts, and has a session with one that is there."""
        there = self.up
        node.start()
        if bootstrap is None and there:
            bootstrap = self.random.choice(there)
        if bootstrap is not None:
            bootstrap.connected(node.digest)
            node.connected(bootstrap.digest)

    def found(self, within: float = 60.0) -> None:
        """All start, one after the other."""
        for node in list(self.nodes.values()):
            self.clock.call_later(within * self.random.random(), functools.partial(self.join, node))
        self.run(within + 10.0)

    def settle(self) -> None:
        """All have been there for a long time: each has members of all its buckets in its table."""
        ids = sorted((node_id(NETWORK, member), member) for member in self.nodes)
        for node in self.nodes.values():
            node.start()
            table = node.dht.table
            for bucket in range(BITS):
                low = ((table.own >> bucket) ^ 1) << bucket
                there = ids[bisect(ids, (low, b"")) : bisect(ids, (low + (1 << bucket), b""))]
                for point, member in self.random.sample(there, min(K, len(there))):
                    table.heard(member, point, self.now - 300.0 * self.random.random())
            node.dht._self_seconds = SELF_SECONDS
            node.dht._self_at = self.now + SELF_SECONDS * self.random.random()

    def run(self, seconds: float) -> None:
        limit = self.now + seconds
        while self.clock.advance(limit):
            pass

    def look_up(self, node: Node, verb: Callable[..., int], *arguments: object) -> Finished:
        """Have it done, and let time pass until it is."""
        number = node.do(verb, *arguments)
        limit = self.now + 60.0
        while number not in node.finished and self.clock.advance(limit):
            pass
        return node.finished[number]

    # ---- questions ----

    def ask(self, node: Node, ask: Ask) -> None:
        other = self.nodes.get(ask.peer)
        self.counters["asked"] += 1
        self.counters[f"asked-{ask.kind}"] += 1
        if other is None or not other.up:
            self.clock.call_later(GIVE_UP_SECONDS, functools.partial(node.answered, ask.number, None))
            return
        ways = 1 if node.sessions.get(ask.peer, 0.0) > self.now else 4
        self.clock.call_later(self._way(ways), functools.partial(self._arrive, node, other, ask))

    def _arrive(self, node: Node, other: Node, ask: Ask) -> None:
        if not other.up or not node.up:
            self.clock.call_later(ask.within, functools.partial(node.answered, ask.number, None))
            return
        node.connected(other.digest)
        other.connected(node.digest)
        answer = other.answer(node.digest, ask)
        wait = ask.within if answer is None else self._way(1)
        self.clock.call_later(wait, functools.partial(node.answered, ask.number, answer))

    def _way(self, ways: int) -> float:
        seconds = 0.0
        for _ in range(ways):
            seconds += 0.02 + 0.06 * self.random.random() + (AGAIN_SECONDS if self.random.random() < LOSS else 0.0)
        return seconds

"""What publish and subscribe costs a node: processor time and memory with 100 topics.

usage: .venv/bin/python -m tests.perf.pubsub [--topics N] [--rate MESSAGES] [--bytes N] [--seconds SECONDS]
       prints Markdown for docs/performance.md

One real machine (`appliance.knowledge.pubsub`) with real Ed25519 signatures, in virtual time; its nine peers subscribe to all of
its topics and are played. Of each message it gets one whole copy, of every other one a second, and the id from four more peers,
as in a mesh of many nodes. What the control process and its sessions spend to carry the bytes comes on top.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.message import sign_message
from appliance.knowledge.pubsub.node import PubSub
from appliance.knowledge.pubsub.wire import Part, part
from appliance.members.network import digest_of_text
from appliance.members.row import Digest
from appliance.testing.pair import identity_of

NETWORK, EPOCH = b"n" * 32, 1_800_000_000
PEERS = 9


class Bench:
    """The node, and how long it took."""

    def __init__(self, topics: int) -> None:
        identities = [identity_of(f"member {number}") for number in range(PEERS + 1)]
        self.members = [digest_of_text(each.fingerprint) for each in identities]
        self.signers = dict(zip(self.members, [each.sign_ed25519 for each in identities], strict=True))
        self.keys: Mapping[Digest, bytes] = {digest_of_text(each.fingerprint): each.public.encoded[:32] for each in identities}
        self.random = random.Random(1)
        self.now = self.spent = 0.0
        own, *self.peers = self.members
        draw = self.random.random
        self.node = PubSub(own, NETWORK, lambda _wall: self.keys, self.signers[own], draw, self.now)
        self.topics = [f"topic-{number}" for number in range(topics)]
        for topic in self.topics:
            self.timed(self.node.subscribe, topic, self.now)
        for peer in self.peers:
            self.timed(self.node.connected, peer, self.now)
            self.say(peer, part(Part.TOPICS, wire.topics_value(1, self.topics)))
            for topic in self.topics:
                self.say(peer, part(Part.GRAFT, wire.graft_value(topic, lazy=peer not in self.peers[:2], answer=True)))

    def timed(self, verb: Callable[..., Any], *arguments: Any) -> None:
        begun = time.process_time()
        verb(*arguments)
        self.spent += time.process_time() - begun
        self.node.said.clear()
        self.node.delivered.clear()
        self.node.wishes.clear()
        self.node.deeds.clear()

    def say(self, peer: Digest, body: bytes) -> None:
        self.timed(self._hear, [(peer, body)])

    def _hear(self, said: list[tuple[Digest, bytes]]) -> None:
        for peer, body in said:
            self.node.take(peer, wire.KIND, body, self.now, EPOCH + self.now)

    def message(self, number: int, size: int) -> None:
        """One message comes to the node, as in a mesh."""
        author, first, second, *others = self.random.sample(self.peers, 7)
        topic = self.random.choice(self.topics)
        sign = self.signers[author]
        encoded = sign_message(topic, bytes(size), author, NETWORK, number, EPOCH + self.now, sign)
        whole = [first, second] if number % 2 else [first]
        said = [(peer, part(Part.MESSAGE, encoded.encoded)) for peer in whole]
        said += [(peer, part(Part.HAVE, wire.have_value(topic, [encoded.delivered.id]))) for peer in others]
        self.timed(self._hear, said)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.node.next_due() <= until:
            self.now = max(self.now, self.node.next_due())
            self.timed(self.node.due, self.now, EPOCH + self.now)
        self.now = until


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topics", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50.0, help="messages a second, in all topics together")
    parser.add_argument("--bytes", type=int, default=200, help="of a message")
    parser.add_argument("--seconds", type=float, default=60.0, help="of virtual time, for each row")
    chosen = parser.parse_args()
    gc.collect()
    tracemalloc.start()
    bench = Bench(chosen.topics)
    bench.wait(60.0)
    idle_memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"{chosen.topics} topics, {PEERS} peers, {chosen.bytes} bytes a message\n")
    print("| | of a core | memory |")
    print("|---|---|---|")
    bench.spent = 0.0
    bench.wait(chosen.seconds)
    print(f"| idle | {bench.spent / chosen.seconds:.2%} | {idle_memory / 1e6:.1f} MB |")
    tracemalloc.start()
    loaded = Bench(chosen.topics)
    loaded.wait(60.0)
    tracemalloc.stop()
    spent, memory = busy(loaded, chosen.rate, chosen.bytes, chosen.seconds)
    number = int(chosen.rate * chosen.seconds)
    print(f"| {chosen.rate:g} messages a second | {spent / chosen.seconds:.1%} | {(idle_memory + memory) / 1e6:.1f} MB |")
    print(f"\n{spent / number * 1e6:.0f} µs a message")


def busy(bench: Bench, rate: float, size: int, seconds: float) -> tuple[float, float]:
    """Processor time, and bytes of memory that the messages took."""
    bench.spent = 0.0
    count = int(rate * seconds)
    for number in range(count):
        bench.message(number, size)
        bench.wait(1 / rate)
    spent = bench.spent
    tracemalloc.start()
    for number in range(count, 2 * count):
        bench.message(number, size)
        bench.wait(1 / rate)
    return spent, tracemalloc.get_traced_memory()[0]


if __name__ == "__main__":
    main()

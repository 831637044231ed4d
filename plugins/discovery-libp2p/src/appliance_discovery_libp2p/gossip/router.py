"""Who gets which message: a mesh of a few peers for each topic, and word of the latest messages to some others (gossipsub 1.1).

    receive(peer, bytes) ─ judged ─ delivered, forwarded to the mesh
    beat()               ─ meshes are mended, others told what they may have missed, counts begin anew

Only topics that this node subscribed to are forwarded. A peer that sends what is false, or too much, collects faults; with
MOST_FAULTS it is expelled, and otherwise they fade.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from appliance_discovery_libp2p.gossip import messages
from appliance_discovery_libp2p.gossip.memory import Memory
from appliance_discovery_libp2p.gossip.messages import Message, Rpc
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed

D, D_LOW, D_HIGH, D_LAZY = 6, 4, 12, 6
"""Peers of a mesh: wanted, least, most; and those who are told of messages. By the specification."""
BEAT_SECONDS: Final = 1.0
BACKOFF_SECONDS: Final = 60
MOST_BACKOFF_SECONDS: Final = 3600
"""That a peer can keep us from grafting it."""
MOST_TOPICS: Final = 64
"""Of a peer that are remembered."""
MOST_MESSAGES: Final = 32
"""Of a peer in a beat, as signatures cost. Further ones are not looked at."""
MOST_WANTED: Final = 64
"""Ids in a beat, asked for and answered to one peer."""
FAULT, GRAVE, MOST_FAULTS = 1, 10, 100
FADES: Final = 1
"""Faults in a beat."""

Judge = Callable[[bytes], bool]
"""Is the data of a message good? Others are not forwarded."""


@dataclass
class _Peer:
    topics: set[str] = field(default_factory=set)
    faults: int = 0
    messages: int = 0
    wanted: int = 0
    given: int = 0
    backoff: dict[str, float] = field(default_factory=dict)
    """Until when a topic is not grafted with it."""


@dataclass
class _Topic:
    judge: Judge
    mesh: set[bytes] = field(default_factory=set)


class Router:
    """`chance` draws from [0, 1). `say` collects (peer, RPC), `heard` messages for this node, `expelled` peers to be cut off."""

    def __init__(self, own: OwnKey, chance: Callable[[], float], number: int) -> None:
        self.say: list[tuple[bytes, bytes]] = []
        self.heard: list[Message] = []
        self.expelled: list[bytes] = []
        self.counted: Counter[str] = Counter()
        self.memory = Memory()
        self._own, self._chance, self._number = own, chance, number
        self._peers: dict[bytes, _Peer] = {}
        self._topics: dict[str, _Topic] = {}

    # ---- peers and topics ----

    def mesh(self, topic: str) -> frozenset[bytes]:
        """Who gets this topic's messages from us at once."""
        return frozenset(self._topics[topic].mesh) if topic in self._topics else frozenset()

    def shares(self, peer: bytes) -> bool:
        """Does it want a topic that this node hears, too?"""
        return peer in self._peers and not self._peers[peer].topics.isdisjoint(self._topics)

    def connected(self, peer: bytes) -> None:
        """One that speaks gossipsub."""
        if peer not in self._peers:
            self._peers[peer] = _Peer()
            self._tell(peer, Rpc(subscriptions=tuple((topic, True) for topic in self._topics)))

    def gone(self, peer: bytes) -> None:
        """It is away."""
        self._peers.pop(peer, None)
        for topic in self._topics.values():
            topic.mesh.discard(peer)

    def subscribe(self, topic: str, judge: Judge, now: float) -> None:
        """Hear a topic, and forward it."""
        if topic not in self._topics:
            self._topics[topic] = _Topic(judge)
            self._tell_all(Rpc(subscriptions=((topic, True),)))
            self._mend(topic, now)

    def unsubscribe(self, topic: str) -> None:
        """Hear it no more."""
        left = self._topics.pop(topic, None)
        if left is not None:
            for peer in sorted(left.mesh):
                self._tell(peer, Rpc(prune=((topic, BACKOFF_SECONDS),)))
            self._tell_all(Rpc(subscriptions=((topic, False),)))

    def publish(self, topic: str, data: bytes, now: float) -> int:
        """To all who want it. Returns how many these are."""
        self._number += 1
        message = messages.signed(self._own, topic, data, self._number)
        self.memory.see(message.id, now)
        self.memory.keep(message)
        wanting = [peer for peer, known in self._peers.items() if topic in known.topics]
        for peer in wanting:
            self._tell(peer, Rpc(messages=(message,)))
        return len(wanting)

    # ---- what peers say ----

    def receive(self, peer: bytes, data: bytes, now: float) -> Iterator[None]:
        """Pauses before each message that it looks at, as signatures cost. Raises Malformed: end its stream."""
        known = self._peers.get(peer)
        if known is None:
            return
        rpc = messages.read(data)
        self._fault(peer, known, GRAVE * rpc.malformed, "gossip malformed")
        self._hear_subscriptions(known, rpc)
        for message in rpc.messages:
            yield
            if self._peers.get(peer) is not known or known.faults >= MOST_FAULTS:
                return  # it has gone meanwhile, or has to
            self._hear(peer, known, message, now)
        self._hear_control(peer, known, rpc, now)

    def _hear_subscriptions(self, known: _Peer, rpc: Rpc) -> None:
        for topic, on in rpc.subscriptions:
            if not on:
                known.topics.discard(topic)
            elif len(known.topics) < MOST_TOPICS:
                known.topics.add(topic)
            else:
                self.counted["gossip topics"] += 1

    def _hear(self, peer: bytes, known: _Peer, message: Message, now: float) -> None:
        subscribed = self._topics.get(message.topic)
        if subscribed is None or self.memory.seen(message.id) or message.origin == self._own.peer:
            return
        known.messages += 1
        if known.messages > MOST_MESSAGES:
            self._fault(peer, known, FAULT, "gossip too fast")
            return
        try:
            messages.verify(message)
        except Malformed:
            self._fault(peer, known, GRAVE, "gossip signature")
            return
        self.memory.see(message.id, now)
        if not subscribed.judge(message.data or b""):
            self._fault(peer, known, GRAVE, "gossip refused")
            return
        self.memory.keep(message)
        self.heard.append(message)
        for other in sorted(subscribed.mesh - {peer, message.origin}):
            self._tell(other, Rpc(messages=(message,)))

    def _hear_control(self, peer: bytes, known: _Peer, rpc: Rpc, now: float) -> None:
        wanted = [name for topic, ids in rpc.have if topic in self._topics for name in ids if not self.memory.seen(name)]
        wanted = list(dict.fromkeys(wanted))[: MOST_WANTED - known.wanted]
        known.wanted += len(wanted)
        given = [message for name in rpc.want[: max(0, MOST_WANTED - known.given)] if (message := self.memory.give(name, peer))]
        known.given += len(rpc.want)
        if known.given > 4 * MOST_WANTED:
            self._fault(peer, known, FAULT, "gossip asks too much")
        refused = [topic for topic in rpc.graft if topic in self._topics and not self._grafted(topic, peer, known, now)]
        for topic, seconds in rpc.prune:
            if topic in self._topics:
                self._topics[topic].mesh.discard(peer)
                known.backoff[topic] = now + min(max(seconds, BACKOFF_SECONDS), MOST_BACKOFF_SECONDS)
        prune = tuple((topic, BACKOFF_SECONDS) for topic in dict.fromkeys(refused))
        for begin in range(0, len(given), 8):
            self._tell(peer, Rpc(messages=tuple(given[begin : begin + 8])))
        self._tell(peer, Rpc(want=tuple(wanted), prune=prune))

    def _grafted(self, topic: str, peer: bytes, known: _Peer, now: float) -> bool:
        subscribed = self._topics[topic]
        if peer in subscribed.mesh:
            return True
        if now < known.backoff.get(topic, 0.0):
            self._fault(peer, known, GRAVE, "gossip graft")
            return False
        if len(subscribed.mesh) >= D_HIGH:
            known.backoff[topic] = now + BACKOFF_SECONDS
            return False
        known.topics.add(topic)
        subscribed.mesh.add(peer)
        return True

    def _fault(self, peer: bytes, known: _Peer, points: int, reason: str) -> None:
        if not points:
            return
        self.counted[reason] += 1
        before, known.faults = known.faults, known.faults + points
        if before < MOST_FAULTS <= known.faults:
            self.expelled.append(peer)

    # ---- time ----

    def beat(self, now: float) -> None:
        """Each BEAT_SECONDS."""
        self.memory.turn(now)
        for known in self._peers.values():
            known.messages = known.wanted = known.given = 0
            known.faults = max(0, known.faults - FADES)
            known.backoff = {topic: until for topic, until in known.backoff.items() if now < until}
        for topic in self._topics:
            self._mend(topic, now)
            self._gossip(topic)

    def _mend(self, topic: str, now: float) -> None:
        mesh = self._topics[topic].mesh
        if len(mesh) < D_LOW:
            for peer in self._some(self._outside(topic, now), D - len(mesh)):
                mesh.add(peer)
                self._tell(peer, Rpc(graft=(topic,)))
        elif len(mesh) > D_HIGH:
            for peer in self._some(mesh, len(mesh) - D):
                mesh.discard(peer)
                self._peers[peer].backoff[topic] = now + BACKOFF_SECONDS
                self._tell(peer, Rpc(prune=((topic, BACKOFF_SECONDS),)))

    def _outside(self, topic: str, now: float) -> list[bytes]:
        mesh = self._topics[topic].mesh
        return [
            peer
            for peer, known in self._peers.items()
            if topic in known.topics and peer not in mesh and now >= known.backoff.get(topic, 0.0) and not known.faults
        ]

    def _gossip(self, topic: str) -> None:
        told = self.memory.told(topic)
        if told:
            outside = [
                peer for peer, known in self._peers.items() if topic in known.topics and peer not in self._topics[topic].mesh
            ]
            for peer in self._some(outside, D_LAZY):
                self._tell(peer, Rpc(have=((topic, told),)))

    def _some(self, peers: Iterable[bytes], count: int) -> list[bytes]:
        """So many of them, by chance."""
        return sorted(sorted(peers), key=lambda _: self._chance())[:count]

    def _tell_all(self, rpc: Rpc) -> None:
        for peer in self._peers:
            self._tell(peer, rpc)

    def _tell(self, peer: bytes, rpc: Rpc) -> None:
        if rpc != Rpc():
            self.say.append((peer, messages.write(rpc)))

"""One real node, and peers that are played by hand: what is said to it, and what it says."""

from __future__ import annotations

import functools
import random

from rigs.audience import EPOCH, NETWORK, good, signed_by

from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.ground import Ground
from appliance.knowledge.pubsub.hints import sign_hint
from appliance.knowledge.pubsub.message import Message, sign_message
from appliance.knowledge.pubsub.node import PubSub
from appliance.knowledge.pubsub.wire import Part, part, topic_field
from appliance.members.row import Digest
from appliance.protocol.digests import sha256

MEMBERS = [sha256(b"member %d" % number) for number in range(40)]
OWN = sha256(b"own")
KEYS = {member: sha256(b"key" + member) for member in [*MEMBERS, OWN]}
TOPIC = "news"


def ground() -> Ground:
    """What the parts of a node share, for one part alone."""
    return Ground(OWN, NETWORK, lambda wall: KEYS, lambda said: b"", random.Random(1).random, good)


class Stage:
    """`peers` members with a session, all of which subscribe to the topic, as the node does."""

    def __init__(self, peers: int = 0, *, subscribed: bool = True) -> None:
        self.now = 0.0
        sign = functools.partial(signed_by, KEYS[OWN])
        self.node = PubSub(OWN, NETWORK, lambda wall: KEYS, sign, random.Random(1).random, self.now, good)
        self.heard: list[tuple[Digest, Part, bytes]] = []
        self._sequence = 0
        for member in MEMBERS[:peers]:
            self.connect(member)
        if subscribed:
            self.node.subscribe(TOPIC, self.now)
        self.act()

    @property
    def wall(self) -> float:
        return EPOCH + self.now

    def connect(self, member: Digest, *, subscribes: bool = True) -> None:
        self.node.connected(member, self.now)
        if subscribes:
            self.say(member, Part.TOPICS, wire.topics_value(1, [TOPIC]))

    def say(self, member: Digest, kind: Part, value: bytes = b"") -> None:
        """A peer says one thing."""
        self.node.take(member, wire.KIND, part(kind, value), self.now, self.wall)
        self.act()

    def graft(self, member: Digest, *, lazy: bool = False, answer: bool = False, topic: str = TOPIC) -> None:
        self.say(member, Part.GRAFT, wire.graft_value(topic, lazy=lazy, answer=answer))

    def prune(self, member: Digest, seconds: int = 60, others: tuple[Digest, ...] = ()) -> None:
        self.say(member, Part.PRUNE, wire.prune_value(TOPIC, seconds, others))

    def have(self, member: Digest, *ids: bytes) -> None:
        self.say(member, Part.HAVE, wire.have_value(TOPIC, ids))

    def message(self, author: Digest = MEMBERS[30], data: bytes = b"hello", topic: str = TOPIC, ago: float = 0.0) -> Message:
        """One that a member signed."""
        self._sequence += 1
        sign = functools.partial(signed_by, KEYS[author])
        return sign_message(topic, data, author, NETWORK, self._sequence, self.wall - ago, sign)

    def hint(self, member: Digest, topic: str = TOPIC) -> bytes:
        """A member says that it subscribes."""
        return sign_hint(topic, member, NETWORK, self.wall, functools.partial(signed_by, KEYS[member])).encoded

    def wait(self, seconds: float) -> None:
        """Time passes."""
        until = self.now + seconds
        while self.node.next_due() <= until:
            self.now = max(self.now, self.node.next_due())
            self.node.due(self.now, self.wall)
            self.act()
        self.now = until

    def act(self) -> None:
        said, self.node.said = self.node.said, []
        for say in said:
            self.heard += [(say.peer, kind, value) for kind, value in wire.read_parts(say.body)]

    def told(self, kind: Part, member: Digest | None = None) -> list[bytes]:
        """What the node said since it was asked last, of one kind, to one peer or to all; all else is forgotten."""
        found = [value for to, what, value in self.heard if what is kind and member in {None, to}]
        self.heard.clear()
        return found

    def who_heard(self, kind: Part) -> list[Digest]:
        """To whom it said something of a kind, since it was asked last."""
        found = [to for to, what, _ in self.heard if what is kind]
        self.heard.clear()
        return found

    @property
    def mesh(self) -> set[Digest]:
        return set(self.node._ground.topics[TOPIC].links)

    def score(self, member: Digest) -> float:
        return self.node.scores(self.now)[member]

    def count(self, what: str) -> int:
        return self.node.figures().get(what, 0)


def seek() -> bytes:
    return topic_field(TOPIC)


def meshed(eager_out: int = 0, peers: int = 3) -> Stage:
    """All peers are in the mesh; so many want messages whole."""
    stage = Stage(peers)
    for number, member in enumerate(MEMBERS[:peers]):
        stage.graft(member, lazy=number >= eager_out, answer=True)
    stage.heard.clear()
    return stage

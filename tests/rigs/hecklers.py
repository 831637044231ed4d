"""Hostile nodes for an audience (rigs/audience.py): each is a real machine that also does, or does not do, one thing.

They come into meshes as honest nodes do, and hold on to the sessions that they get.
"""

from __future__ import annotations

import functools

from rigs.audience import EPOCH, NETWORK, Node, signed_by

from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.hints import sign_hint
from appliance.knowledge.pubsub.message import sign_message
from appliance.knowledge.pubsub.wire import Part, part
from appliance.members.effects import Say
from appliance.members.row import Digest

TOPIC = "news"
EVERY = 0.2
"""Seconds between two misdeeds."""
BEGINS = 5.0
"""When they have a place in the meshes."""


class Heckler(Node):
    """One that does `heckle` to each member with a session, again and again."""

    def start(self) -> None:
        super().start()
        self.audience.clock.call_at(BEGINS, self._go_on)

    def heckle(self, peer: Digest) -> list[bytes]:
        """Parts for one peer."""
        return []

    def _go_on(self) -> None:
        self.audience.clock.call_later(EVERY, self._go_on)
        peers = sorted(peer for pair in self.audience.sessions if self.digest in pair for peer in pair - {self.digest})
        for peer in peers:
            if parts := self.heckle(peer):
                self.audience.send(self, Say(peer, wire.KIND, b"".join(parts)))

    def random_bytes(self, length: int) -> bytes:
        return self.audience.random.randbytes(length)


class Silent(Heckler):
    """Is in the mesh, and passes on nothing."""

    def act(self) -> None:
        self.machine.said = [kept for say in self.machine.said if (kept := _without_messages(say)) is not None]
        super().act()


class Forger(Heckler):
    """Sends messages in the name of others."""

    def heckle(self, peer: Digest) -> list[bytes]:
        author = self.audience.random.choice(self.audience.nodes).digest
        wall = self.audience.wall
        forged = sign_message(TOPIC, self.random_bytes(16), author, NETWORK, int(wall * 1e6), wall, lambda said: bytes(64))
        return [part(Part.MESSAGE, forged.encoded)]


class Liar(Heckler):
    """Says that it has messages that there are not."""

    def heckle(self, peer: Digest) -> list[bytes]:
        return [part(Part.HAVE, wire.have_value(TOPIC, [self.random_bytes(20) for _ in range(20)]))]


class Pusher(Heckler):
    """Comes into the mesh again and again, whatever it is told."""

    def heckle(self, peer: Digest) -> list[bytes]:
        prune = part(Part.PRUNE, wire.prune_value(TOPIC, 60, [self.random_bytes(32) for _ in range(16)]))
        return [prune, part(Part.GRAFT, wire.graft_value(TOPIC, lazy=False, answer=False))] * 3


class Babbler(Heckler):
    """Says what nobody can read."""

    def heckle(self, peer: Digest) -> list[bytes]:
        return [self.random_bytes(200)]


class Flooder(Heckler):
    """Subscribes to everything, seeks everything, and wants everything."""

    def heckle(self, peer: Digest) -> list[bytes]:
        names = [f"flood-{self.number}-{number}" for number in range(60)]
        sign = functools.partial(signed_by, self.key)
        topics = part(Part.TOPICS, wire.topics_value(int(self.audience.now * 10), names))
        seeks = [part(Part.SEEK, wire.topic_field(name)) for name in names]
        hints = [part(Part.HINT, sign_hint(name, self.digest, NETWORK, EPOCH, sign).encoded) for name in names[:30]]
        wants = [part(Part.WANT, b"".join(self.random_bytes(20) for _ in range(200)))]
        return [topics, *seeks, *hints, *wants]


KINDS = [Silent, Forger, Liar, Pusher, Babbler, Flooder]


def _without_messages(say: Say) -> Say | None:
    kept = [part(kind, value) for kind, value in wire.read_parts(say.body) if kind not in {Part.MESSAGE, Part.HAVE}]
    return say._replace(body=b"".join(kept)) if kept else None

"""Publish and subscribe in one running node: hosts the machine, and hands what comes to the programs of this host.

    programs ──publish──▶ ┌────────┐ ◀──messages──▶ members
             ◀──readers── │ PubSub │
    bounded, one each     └────────┘

The node is subscribed to a topic for as long as a program of this host reads it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

from appliance.api.management import Refused
from appliance.api.peer_protocol import Limits
from appliance.foundation import entropy
from appliance.foundation.tasks import Tasks
from appliance.knowledge.pubsub.node import PubSub
from appliance.members.certified import Certified
from appliance.members.network import digest_of_text, identity_text
from appliance.runtime.knowledge.hosting import Hosted
from appliance.runtime.knowledge.readers import Message, Readers
from appliance.runtime.knowledge.topic_providers import TopicProviders

if TYPE_CHECKING:
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.control.feed import Missed
    from appliance.knowledge.pubsub.message import Delivered
    from appliance.members.row import Digest
    from appliance.runtime.knowledge.around import Around

FAMILY: Final = "topics"
OF_A_PEER: Final = Limits(messages=400.0, bytes=1 << 20, waiting=512)
"""Chosen: a neighbour passes on what several authors say at a time, and what it says about that."""


class Topics:
    """The part `topics` of one node."""

    problem = ""

    def __init__(self, around: Around) -> None:
        self._mesh = mesh = around.mesh
        self._judged = around.judged
        parts = mesh.parts
        self.machine = PubSub(
            digest_of_text(mesh.own),
            digest_of_text(mesh.settings.network),
            Certified(mesh.trust).keys,
            parts.identity.sign_ed25519,
            entropy.jitter,
            parts.monotonic(),
            doubts=self._doubts,
        )
        self.readers = Readers(self._subscribe, parts.monotonic)
        self._hosted = Hosted(FAMILY, self.machine, mesh, around.judged, OF_A_PEER, self._deliver)
        self._providing = TopicProviders(around.shared, self.machine, self._hosted.do, parts.monotonic, parts.sleep)
        self._tasks = Tasks()

    # ---- a part (runtime.knowledge.part.Part) ----

    def kinds(self) -> Iterator[PeerProtocolKind]:
        """One family."""
        yield self._hosted.kind

    def status(self) -> Mapping[str, Any]:
        """For people and `appliance status`."""
        figures = {**self.machine.figures(), **self._hosted.counters, **self.readers.counters}
        return {"topics": dict(self.readers.topics()), "readers": len(self.readers), "figures": figures}

    async def start(self) -> None:
        """Look in the hash table for others of topics that have too few."""
        self._tasks.spawn(self._providing.run(), "look for others of topics in the hash table")

    async def close(self) -> None:
        """Readers get the end."""
        self.readers.end(Refused("this node has no topics any more", hint="its profile has switched them off, or it ends"))
        self._hosted.close()
        await self._tasks.close()

    # ---- what programs of this host do ----

    def publish(self, caller: str, topic: str, data: bytes) -> bytes:
        """Tell all who are subscribed; returns the message's id. Raises TopicsBusy, Refused."""
        self.readers.publishes(caller, topic)
        if self._mesh.own not in self._mesh.members():
            raise Refused(self._mesh.problem, hint="nobody would take its messages: see docs/mesh.md")
        made: bytes = self._hosted.do(lambda now, wall: self.machine.publish(topic, data, now, wall))
        return made

    def reading(self, caller: str, topics: Sequence[str]) -> AbstractContextManager[AsyncGenerator[Message | Missed, None]]:
        """As `Readers.reading`."""
        return self.readers.reading(caller, topics)

    def described(self) -> list[dict[str, Any]]:
        """The topics that programs of this host read."""
        about = self.machine.topics()
        return [
            {"topic": topic, "readers": readers, "members": about[topic]["peers"], "mesh": self._mesh_of(topic)}
            for topic, readers in self.readers.topics().items()
        ]

    # ---- parts ----

    def _mesh_of(self, topic: str) -> list[dict[str, Any]]:
        scores = self.machine.mesh(topic, self._mesh.parts.monotonic())
        named = ((self._name(member) or identity_text(member), round(score, 2)) for member, score in scores.items())
        return [{"peer": peer, "score": score} for peer, score in sorted(named)]

    def _doubts(self, member: Digest) -> bool:
        return self._judged.doubts(member)

    def _subscribe(self, topic: str, wanted: bool) -> None:
        verb = self.machine.subscribe if wanted else self.machine.unsubscribe
        self._hosted.do(lambda now, _wall: verb(topic, now))

    def _deliver(self) -> None:
        delivered, self.machine.delivered = self.machine.delivered, []
        for each in delivered:  # what a blocked member signs comes by others, who do not know of that
            if each.author not in self._judged.blocked:
                self.readers.put(self._message(each))

    def _message(self, each: Delivered) -> Message:
        identity = identity_text(each.author)
        return Message(each.topic, self._name(each.author), identity, each.id, each.written, each.data)

    def _name(self, member: Digest) -> str:
        identity = identity_text(member)
        return self._mesh.name if identity == self._mesh.own else self._mesh.peer_of(identity) or ""

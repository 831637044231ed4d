"""What this node and its peers tell each other of the topics that they have. Changes are numbered, for they may be lost."""

from __future__ import annotations

from collections.abc import Callable

from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.ground import Ground
from appliance.knowledge.pubsub.wire import Part, topics_value
from appliance.members.row import Digest

Changed = Callable[[Digest, str, float], None]
"""A peer, and a topic to which it subscribes now, or no more; and the time."""


class Subscriptions:
    """Of one node."""

    def __init__(self, ground: Ground, joined: Changed, left: Changed) -> None:
        self._ground = ground
        self._joined = joined
        self._left = left
        self._version = 0
        self._told_again = True
        """The last change of ours was said a second time."""

    # ---- ours ----

    def connected(self, member: Digest) -> None:
        """There is a session: it is told, if there are any."""
        if self._own():
            self.tell(member)
            self._told_again = False

    def _own(self) -> list[str]:
        return [name for name, topic in self._ground.topics.items() if topic.subscribed]

    def changed(self, what: Part, topic: str) -> None:
        """We subscribe to one more, or one less."""
        self._version += 1
        self._told_again = False
        for member in self._ground.peers.sessions:
            self._ground.out.put(member, what, topics_value(self._version, [topic]))

    def tell_again(self) -> None:
        """Say how many changes there were, once after each: one may have been lost."""
        if not self._told_again:
            self._told_again = True
            for member in self._ground.peers.sessions:
                self._ground.out.put(member, Part.VERSION, topics_value(self._version, []))

    # ---- theirs ----

    def take_topics(self, member: Digest, value: bytes, now: float, _wall: float) -> None:
        """These are all."""
        version, names = wire.read_topics(value)
        new, left = self._ground.peers.replace(member, version, names)
        for name in left:
            self._left(member, name, now)
        for name in new:
            self._joined(member, name, now)

    def take_join(self, member: Digest, value: bytes, now: float, _wall: float) -> None:
        """One more."""
        for name in self._next(member, value, now):
            if self._ground.peers.add(member, name):
                self._joined(member, name, now)

    def take_leave(self, member: Digest, value: bytes, now: float, _wall: float) -> None:
        """One less."""
        for name in self._next(member, value, now):
            if self._ground.peers.remove(member, name):
                self._left(member, name, now)

    def take_version(self, member: Digest, value: bytes, now: float, _wall: float) -> None:
        """So many changes there were."""
        version, _ = wire.read_topics(value)
        if version != self._ground.peers.sessions[member].version:
            self._ground.ask_topics(member, now)

    def take_tell(self, member: Digest, _value: bytes, _now: float, _wall: float) -> None:
        """It missed some."""
        self.tell(member)

    def tell(self, member: Digest) -> None:
        """All of ours, to one peer."""
        self._ground.out.put(member, Part.TOPICS, topics_value(self._version, self._own()))

    def _next(self, member: Digest, value: bytes, now: float) -> list[str]:
        """The topics of a change, if it is the next one; if not, all are asked for."""
        version, names = wire.read_topics(value)
        peer = self._ground.peers.sessions[member]
        if version != peer.version + 1:
            if version != peer.version:
                self._ground.ask_topics(member, now)
            return []
        peer.version = version
        return names

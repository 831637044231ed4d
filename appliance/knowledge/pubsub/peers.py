"""The members with a session, and what they subscribe to."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

from appliance.members.row import Digest

MOST_TOPICS: Final = 200
"""That one member can subscribe to: all of their names fit into one message."""
ASK_SECONDS: Final = 0.5
"""Between two times that one peer is asked for all of its subscriptions: the answer has up to 13 KB."""


class Peer:
    """One of them."""

    __slots__ = ("asked_at", "topics", "version", "welcomed")

    def __init__(self) -> None:
        self.version = 0
        """Of its subscriptions; each change makes it one higher."""
        self.topics: set[str] = set()
        self.asked_at = -inf
        self.welcomed: dict[str, float] = {}
        """By topic of ours, when it was told last what it may have missed."""

    def may_be_asked(self, now: float) -> bool:
        """For all of its subscriptions; it is noted that it was."""
        if now < self.asked_at + ASK_SECONDS:
            return False
        self.asked_at = now
        return True


class Peers:
    """All of them."""

    def __init__(self) -> None:
        self.sessions: dict[Digest, Peer] = {}
        self._of: dict[str, dict[Digest, None]] = {}

    def of(self, topic: str) -> dict[Digest, None]:
        """Who subscribes to a topic. Read only."""
        return self._of.get(topic, {})

    def connected(self, member: Digest) -> None:
        """There is a session."""
        self.sessions.setdefault(member, Peer())

    def gone(self, member: Digest) -> list[str]:
        """There is none any more. Returns what it subscribed to."""
        peer = self.sessions.pop(member, None)
        topics = sorted(peer.topics) if peer else []
        for topic in topics:
            self._forget(member, topic)
        return topics

    def add(self, member: Digest, topic: str) -> bool:
        """It subscribes. Is that news? False also if it has too many, or no session."""
        peer = self.sessions.get(member)
        if peer is None or topic in peer.topics or len(peer.topics) >= MOST_TOPICS:
            return False
        peer.topics.add(topic)
        self._of.setdefault(topic, {})[member] = None
        return True

    def remove(self, member: Digest, topic: str) -> bool:
        """It does not any more. Is that news?"""
        peer = self.sessions.get(member)
        if peer is None or topic not in peer.topics:
            return False
        peer.topics.remove(topic)
        self._forget(member, topic)
        return True

    def replace(self, member: Digest, version: int, topics: Iterable[str]) -> tuple[list[str], list[str]]:
        """All that it subscribes to. Returns what is new, and what is not any more."""
        peer = self.sessions.get(member)
        if peer is None:
            return [], []
        peer.version = version
        wanted = dict.fromkeys(topics)
        gone = [topic for topic in sorted(peer.topics) if topic not in wanted and self.remove(member, topic)]
        return [topic for topic in wanted if self.add(member, topic)], gone

    def _forget(self, member: Digest, topic: str) -> None:
        members = self._of[topic]
        del members[member]
        if not members:
            del self._of[topic]

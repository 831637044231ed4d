"""What a node remembers of messages: which it has seen, and the latest of them whole, for those who missed one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from appliance_discovery_libp2p.gossip.messages import Message

SEEN_SECONDS: Final = 120.0
"""By the specification."""
MOST_SEEN: Final = 8192
"""Ids; the oldest go first. One that comes again after that is judged again."""
KEPT_BEATS, TOLD_BEATS = 5, 3
"""Beats for which a message is kept whole, and told of. By the specification."""
MOST_KEPT: Final = 256
MOST_GIVEN: Final = 3
"""Times that one peer gets one message when it asks."""


@dataclass
class _Kept:
    message: Message
    beat: int
    given: dict[bytes, int] = field(default_factory=dict)


class Memory:
    """Times are seconds of any clock."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, float] = OrderedDict()
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._beat = 0

    def __len__(self) -> int:
        return len(self._kept)

    def seen(self, name: bytes) -> bool:
        """Did it come before?"""
        return name in self._seen

    def see(self, name: bytes, now: float) -> None:
        """It came."""
        self._seen[name] = now
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)

    def keep(self, message: Message) -> None:
        """Whole, for a few beats."""
        self._kept[message.id] = _Kept(message, self._beat)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def give(self, name: bytes, peer: bytes) -> Message | None:
        """A message that a peer asks for, unless it got it often enough."""
        kept = self._kept.get(name)
        if kept is None or kept.given.get(peer, 0) >= MOST_GIVEN:
            return None
        kept.given[peer] = kept.given.get(peer, 0) + 1
        return kept.message

    def told(self, topic: str) -> tuple[bytes, ...]:
        """Ids of a topic's latest messages."""
        return tuple(
            name for name, kept in self._kept.items() if kept.message.topic == topic and self._beat - kept.beat < TOLD_BEATS
        )

    def turn(self, now: float) -> None:
        """A beat has gone by."""
        self._beat += 1
        while self._kept and self._beat - next(iter(self._kept.values())).beat >= KEPT_BEATS:
            self._kept.popitem(last=False)
        while self._seen and now - next(iter(self._seen.values())) > SEEN_SECONDS:
            self._seen.popitem(last=False)

"""What a session knows of other paths than its own: those that are tried, those that work, and the one it can go back to."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from appliance.api.values import Endpoint
from appliance.protocol.admission import TokenBucket
from appliance.protocol.events import Path

MAX_TRIED = 256
"""Tokens under way that are remembered: a second of 200, which is the most that are sent in one (`members.far_ports`)."""
MAX_PROVED = 16
"""Paths that are known to work."""


class Tried(NamedTuple):
    """A token that was sent by another path."""

    path: Path
    endpoint: Endpoint
    sent: float


class Way(NamedTuple):
    """A path that a token came back by."""

    path: Path
    rtt: float
    """Seconds."""
    proved: float
    """When the token came back."""


@dataclass(slots=True)
class Ways:
    """The other paths of one session. Times are the node's monotonic seconds."""

    tried: dict[int, Tried] = field(default_factory=dict)
    """By token, oldest first."""
    proved: dict[Endpoint, Way] = field(default_factory=dict)
    """By the far end, the one that was proved longest ago first."""
    reserve: Path | None = None
    """The path it was on before it moved to a better one. Its link is kept."""
    chosen: bool = False
    """It is on a better path than the one that it was made on, and stays there."""
    asks: TokenBucket | None = None
    """How many probes of the peer's are answered."""
    held_until: float = -inf
    """Until then what still comes by the reserve does not move it back: it was under way."""

    def note_tried(self, token: int, tried: Tried) -> None:
        """A token went out."""
        self.tried[token] = tried
        if len(self.tried) > MAX_TRIED:
            del self.tried[next(iter(self.tried))]

    def note_proved(self, endpoint: Endpoint, way: Way) -> None:
        """A token came back."""
        self.proved.pop(endpoint, None)
        self.proved[endpoint] = way
        if len(self.proved) > MAX_PROVED:
            del self.proved[next(iter(self.proved))]

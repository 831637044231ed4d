"""What a plugin sees of the running node (`appliance_lifespan`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from appliance.api.events import Event
from appliance.api.monitoring import NodeFigures
from appliance.api.services import Services
from appliance.api.values import Endpoint, Network


class NodePeer(NamedTuple):
    """A peer as the node knows it now."""

    name: str
    """What the node calls it."""
    identity: str
    """Its public identity, "llp1:…"."""
    connected: bool
    """Has it an active session?"""
    endpoints: tuple[Endpoint, ...]
    """Where it can be reached, best first; none: it calls us, or nothing is known yet."""
    allowed: tuple[Network, ...]
    """Prefixes that it may send from and be sent to."""


class Node(Services, Protocol):
    """The node, for as long as the context of the plugin's lifespan is entered. Tasks of `spawn` end after it was left."""

    @property
    def name(self) -> str:
        """What the profile in force calls this node."""

    @property
    def identity(self) -> str:
        """Its public identity, "llp1:…"."""

    def figures(self) -> NodeFigures:
        """The figures now."""

    def peers(self) -> Sequence[NodePeer]:
        """All peers now. With ten thousand of them it takes some milliseconds, so keep what `subscribe` tells instead."""

    def peer(self, name: str) -> NodePeer | None:
        """One peer now. None: there is none of that name."""

    def subscribe(self, told: Callable[[Event], None]) -> Callable[[], None]:
        """Call `told(event)` for each event of `api.events` until what is returned is called. It must return at once; one that
        holds up the node is called no more."""

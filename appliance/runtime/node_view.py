"""What a plugin sees of the running node: who it is, its peers and figures, and what happens to it (api.node.Node)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.api.events import Event
from appliance.api.node import NodePeer
from appliance.errors import PluginFault
from appliance.runtime.plugins.account import Noun, Part
from appliance.runtime.plugins.services import PluginServices

if TYPE_CHECKING:
    from appliance.api.monitoring import NodeFigures
    from appliance.api.profile import Profile
    from appliance.protocol.peer import Peer
    from appliance.runtime.figures import Figures
    from appliance.runtime.node.driver import NodeDriver
    from appliance.runtime.peers.table import PeerTable
    from appliance.runtime.plugins.calls import PluginCalls


@dataclass(frozen=True, slots=True)
class Seen:
    """The parts of a node that plugins see something of. `profile()` is the one in force."""

    profile: Callable[[], Profile]
    identity: str
    figures: Figures
    driver: NodeDriver
    peers: PeerTable
    views: list[NodeView] = field(default_factory=list)
    """All that are open: who tells of something tells each."""


class NodeView(PluginServices):
    """Handed to `appliance_lifespan` of `plugin`, and to each of its operations that is asked for."""

    def __init__(self, seen: Seen, calls: PluginCalls, plugin: str, noun: Noun = "lifespan") -> None:
        super().__init__(calls, noun, plugin)
        self._seen = seen
        self._subscriber = Part("subscriber", plugin, "subscriber")
        self._subscribers: list[Callable[[Event], None]] = []
        seen.views.append(self)
        seen.driver.subscribers.append(self.tell)

    @property
    def name(self) -> str:
        """Its name in the profile in force."""
        return self._seen.profile().name

    @property
    def identity(self) -> str:
        """Its fingerprint."""
        return self._seen.identity

    def figures(self) -> NodeFigures:
        """The figures now."""
        return self._seen.figures.figures()

    def peers(self) -> Sequence[NodePeer]:
        """All peers."""
        return [self._peer(peer) for peer in self._seen.driver.node.peers.values() if peer.proved]

    def peer(self, name: str) -> NodePeer | None:
        """The peer of that name."""
        found = self._seen.driver.node.peers.get(name)
        return None if found is None or not found.proved else self._peer(found)

    def subscribe(self, told: Callable[[Event], None]) -> Callable[[], None]:
        """Call `told(event)` for each event. Returns what ends the subscription."""

        def end() -> None:
            with suppress(ValueError):
                self._subscribers.remove(told)

        self._subscribers.append(told)
        return end

    def tell(self, event: Event) -> None:
        """Something happened. What a subscriber raises is on the plugin's account; one that holds up the node is forgotten."""
        for subscriber in list(self._subscribers):
            with suppress(PluginFault):
                self._calls.call(self._subscriber, lambda told=subscriber: told(event))  # type: ignore[misc]
            if self._calls.hangs(self._subscriber):
                self._subscribers.clear()

    async def close(self) -> None:
        """The lifespan was left, or the operation answered: no more events, and its tasks end."""
        self._subscribers.clear()
        with suppress(ValueError):
            self._seen.views.remove(self)
            self._seen.driver.subscribers.remove(self.tell)
        await super().close()

    def _peer(self, peer: Peer) -> NodePeer:
        endpoints = tuple(peer.endpoints or peer.settings.endpoints)
        entry = self._seen.peers.get(peer.name)
        allowed = () if entry is None else entry.allowed
        return NodePeer(peer.name, peer.settings.identity, peer.session is not None, endpoints, allowed)

"""Streams as a part of a hosted node: made when the first application asks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from appliance.runtime.inside import HERE, Inside
from appliance.runtime.streams.traced import Side, Step, Trace, untraced

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.runtime.node_runtime import NodeRuntime
    from appliance.runtime.peers.table import Address, PeerTable
    from appliance.runtime.streams.incoming import Judge
    from appliance.runtime.streams.offers import Known, Offers
    from appliance.runtime.streams.sockets import OverlaySockets
    from appliance.runtime.streams.streams import Streams


class StreamsPart:
    """`profile()` is the one in force, `inside` the network that the node's device is in."""

    def __init__(self, table: PeerTable, profile: Callable[[], Profile], inside: Inside = HERE) -> None:
        self._inside = inside
        self._table = table
        self._profile = profile
        self._streams: Streams | None = None
        self._offers: Offers | None = None
        self.sockets: Callable[[], OverlaySockets] = self._of_host
        """Where sockets inside the overlay come from. To be set before the first application asks."""
        self.judge: Judge | None = None
        """Who may have which service; None: every peer may have all. To be set before the first application asks."""
        self.trace: Trace = untraced
        """Begins the span of a stream."""

    @property
    def streams(self) -> Streams:
        """All that applications ask for."""
        if self._streams is None:
            from appliance.runtime.streams.streams import Streams

            sockets = self.sockets()
            self._streams = Streams(self._table, self._own, sockets, self._place, self._traced)
            if self.judge is not None:
                self._streams.judge = self.judge
        return self._streams

    def offers(self, node: NodeRuntime) -> Offers:
        """Services that members offer, as `node` knows it."""
        if self._offers is None:
            from appliance.runtime.streams.offers import Offers

            self._offers = Offers(
                None if node.mesh is None else node.mesh.gossip,
                self.streams.services,
                lambda identity: _known(node, identity),
                lambda: node.called,
                node.identity.fingerprint,
            )
            self.streams.ended = self._offers.ended
        return self._offers

    def shown(self) -> dict[str, Any] | None:
        """For `status`; None as long as no application asked."""
        shown = None if self._streams is None else self._streams.shown()
        return shown if shown is None or self._offers is None else shown | {"offered": self._offers.shown()}

    async def close(self) -> None:
        """No more streams."""
        if self._streams is not None:
            await self._streams.close()
        if self._offers is not None:
            self._offers.close()

    def _traced(self, side: Side, name: str, traceparent: str, about: Mapping[str, Any]) -> tuple[str, Step | None]:
        return self.trace(side, name, traceparent, about)

    def _own(self) -> Sequence[Address]:
        return [address.ip for address in self._profile().network.addresses]

    def _of_host(self) -> OverlaySockets:
        from appliance.runtime.streams.sockets import HostSockets

        return HostSockets(lambda: self._profile().network.interface, self._own, self._inside)

    def _place(self) -> object:
        """Device and addresses: a listener is bound to them."""
        try:
            index = self._inside.call(socket.if_nametoindex, self._profile().network.interface)
        except OSError:
            index = 0
        return index, tuple(self._own())


def _known(node: NodeRuntime, identity: str) -> Known | None:
    from appliance.protocol.session import SessionState
    from appliance.runtime.streams.offers import Known

    entry = node.peers.table.of_identity(identity)
    if entry is None:
        return None
    peer = node.driver.node.peers.get(entry.name)
    session = None if peer is None or peer.session is None else node.driver.node.sessions.get(peer.session)
    if session is None or session.state is not SessionState.ACTIVE:
        return Known(entry.name, connected=False, rtt_ms=None)
    return Known(entry.name, connected=True, rtt_ms=None if session.rtt is None else round(session.rtt * 1000, 1))

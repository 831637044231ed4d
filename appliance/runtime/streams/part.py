"""Streams as a part of a hosted node: made when the first application asks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from appliance.runtime.inside import HERE, Inside

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.runtime.peers.table import Address, PeerTable
    from appliance.runtime.streams.incoming import Judge
    from appliance.runtime.streams.sockets import OverlaySockets
    from appliance.runtime.streams.streams import Streams


class StreamsPart:
    """`profile()` is the one in force, `inside` the network that the node's device is in."""

    def __init__(self, table: PeerTable, profile: Callable[[], Profile], inside: Inside = HERE) -> None:
        self._inside = inside
        self._table = table
        self._profile = profile
        self._streams: Streams | None = None
        self.sockets: Callable[[], OverlaySockets] = self._of_host
        """Where sockets inside the overlay come from. To be set before the first application asks."""
        self.judge: Judge | None = None
        """Who may have which service; None: every peer may have all. To be set before the first application asks."""

    @property
    def streams(self) -> Streams:
        """All that applications ask for."""
        if self._streams is None:
            from appliance.runtime.streams.streams import Streams

            sockets = self.sockets()
            self._streams = Streams(self._table, self._own, sockets, self._place)
            if self.judge is not None:
                self._streams.judge = self.judge
        return self._streams

    def shown(self) -> dict[str, Any] | None:
        """For `status`; None as long as no application asked."""
        return None if self._streams is None else self._streams.shown()

    async def close(self) -> None:
        """No more streams."""
        if self._streams is not None:
            await self._streams.close()

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

"""The links a node may use and who uses each: a link that nobody uses any more is to be closed."""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.protocol.events import LinkId
from appliance.protocol.protection import Protection


@dataclass(slots=True)
class Link:
    """`users` are the local session indexes (of sessions and of handshakes) that go over it."""

    number: LinkId
    local: Endpoint
    remote: Endpoint | None
    datagram: bool
    listener: bool
    datagram_bytes: int
    users: set[int] = field(default_factory=set)
    protection: Protection = field(default_factory=Protection)

    def endpoint(self, source: SocketAddress | None) -> Endpoint | None:
        """Where the far end is when packets come from `source`."""
        if source is None:
            return self.remote
        return Endpoint(self.local.scheme, source[0], source[1])

"""The links a node may use and who uses each: a link that nobody uses any more is to be closed."""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.protocol.events import LinkId
from appliance.protocol.pathmtu import PathMtu
from appliance.protocol.protection import Protection


@dataclass(slots=True)
class Link:
    """`users` are the local session indexes (of sessions and of handshakes) that go over it.

    `datagram_bytes` is the most a datagram may have. A link that `adapts` may be told to use less: `path` says how much once a
    session goes over it, `carrier` is the session whose records probe it, `shaped` what its driver was told last (0: nothing).
    """

    number: LinkId
    local: Endpoint
    remote: Endpoint | None
    datagram: bool
    listener: bool
    datagram_bytes: int
    users: set[int] = field(default_factory=set)
    protection: Protection = field(default_factory=Protection)
    adapts: bool = False
    path: PathMtu | None = None
    carrier: int = 0
    shaped: int = 0

    @property
    def room(self) -> int:
        """Bytes of a datagram that is known to pass, as far as something is known."""
        return self.path.size if self.path is not None else self.datagram_bytes

    @property
    def measured(self) -> tuple[int, str]:
        """Bytes of a datagram (0 on streams), and how sure that is: a PathState, "fixed" or "shared"."""
        if not self.datagram:
            return 0, ""
        if self.path is not None:
            return self.path.size, self.path.state
        return self.shaped or self.datagram_bytes, "shared" if self.adapts else "fixed"

    def endpoint(self, source: SocketAddress | None) -> Endpoint | None:
        """Where the far end is when packets come from `source`."""
        if source is None:
            return self.remote
        return Endpoint(self.local.scheme, source[0], source[1])

"""The links a node may use and who uses each: a link that nobody uses any more is to be closed."""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.protocol.events import LinkId
from appliance.protocol.pathmtu import PathMtu
from appliance.protocol.protection import Protection


def address_of(remote: Endpoint) -> SocketAddress:
    """The address that the limits of strangers count for: of a far end without one, as behind a relay, its endpoint's text."""
    return remote.host or remote.authority, remote.port


@dataclass(slots=True)
class Link:
    """A socket that the worker holds."""

    number: LinkId
    local: Endpoint
    """This node's end."""
    remote: Endpoint | None
    """The far end; None for a listener's socket, which has many."""
    datagram: bool
    """It carries datagrams. Otherwise it is a stream."""
    listener: bool
    """Strangers come in through it."""
    datagram_bytes: int
    """The longest datagram that may be sent, in bytes of UDP payload."""
    users: set[int] = field(default_factory=set)
    """Our indexes of the sessions and handshakes that go over it. Without any it is closed."""
    protection: Protection = field(default_factory=Protection)
    adapts: bool = False
    """Its driver can be told to send shorter datagrams."""
    path: PathMtu | None = None
    """What is known of the longest datagram that passes, once a session goes over it."""
    carrier: int = 0
    """Our index of the session whose records probe it. 0: none yet."""
    shaped: int = 0
    """Bytes of a datagram that its driver was told last. 0: nothing."""

    @property
    def room(self) -> int:
        """Bytes of the longest datagram to send now: one that is known to pass, or the most there may be if nothing is known."""
        return self.path.size if self.path is not None else self.datagram_bytes

    @property
    def measured(self) -> tuple[int, str]:
        """Bytes of the datagrams that are sent (0 on streams), and why: the state of the search (`PathState`), "fixed" where the
        driver cannot change them, or "shared" on a listener's socket, where one size serves all peers."""
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

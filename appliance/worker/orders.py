"""What the control process may tell the worker. Trusted input.

A `link` is a transport's socket and a `session` the keys with a peer, both by number. `to` is where datagrams go over a
listener's shared socket, None on connected ones; `local` is the host's own address that the far end there spoke to, where the
listener has several and that is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from appliance.worker.messages import Descriptor, Family

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress

# ---- the worker's life ----


class SuiteLine(NamedTuple):
    """A cipher suite as it travels in Start; `aead` is the import path of its cipher."""

    name: str
    aead: str
    key_bytes: int
    tag_bytes: int
    max_records: int


class Start(NamedTuple):
    """The first order: everything that must be loaded or opened before the privileges go."""

    pair: bool
    """Is `device` one end of a SOCK_SEQPACKET pair? Its end of file is the worker's end. Otherwise it is a TUN queue."""
    vnet: bool
    """Does a virtio header stand before each packet there?"""
    suites: Sequence[SuiteLine]
    drivers: Sequence[str]
    """Import paths."""
    compression: bool
    """Is this worker to be able to compress?"""
    lasts: bool
    """Is it to forward on for a while when the control process is gone?"""
    device: Descriptor
    """What packets are read from and written to, non-blocking."""
    counters: Descriptor
    """Shared memory for what the worker counts."""
    last_words: Descriptor
    """Where it writes its stack when it crashes or is asked to."""


class Beat(NamedTuple):
    """Does the worker still turn? It answers by writing the number into the shared memory."""

    number: int


class Stop(NamedTuple):
    """End after this turn."""


# ---- links ----


class LinkAdd(NamedTuple):
    """Move packets over a socket from now on. The worker answers with LinkClosed if its driver cannot."""

    link: int
    driver: str
    """Import path."""
    options: Mapping[str, int | str]
    deaf: bool
    """Another worker reads the socket; this one only sends over it."""
    remote: SocketAddress | None
    """The one far end of a connected socket."""
    socket: Descriptor


class LinkDrop(NamedTuple):
    """Close a link."""

    link: int


class LinkProtect(NamedTuple):
    """Send one parity piece for every `span` pieces of a cut record; 0: none."""

    link: int
    span: int


class LinkShape(NamedTuple):
    """Cut records into datagrams of so many bytes."""

    link: int
    datagram: int


class LinkOffload(NamedTuple):
    """Ask the kernel again to cut what goes over a link."""

    link: int


class WorkerJoin(NamedTuple):
    """Hand over to another worker, and take from it, by this socket."""

    worker: int
    socket: Descriptor


class Tun(NamedTuple):
    """Read and write another TUN from now on. `device` False: a stand-in, which neither gives nor takes packets."""

    device: bool
    tun: Descriptor


# ---- strangers ----


class Cookies(NamedTuple):
    """Judge hellos by cookies made with that secret, and let pass what belongs to so many handshakes."""

    handshakes_per_second: int
    secret: bytes


class CookiesWanted(NamedTuple):
    """Let no hello pass without a cookie; False: unless there are many."""

    wanted: bool


# ---- sessions ----


class SessionAdd(NamedTuple):
    """Install a session."""

    session: int
    remote: int
    """The peer's number of it."""
    peer: str
    suite: str
    slot: int
    """Its row of the counters."""
    compression: bool
    """What comes in may be compressed."""
    rotate_bytes: int
    link: int
    to: SocketAddress | None
    local: str | None
    use: bool
    """Send to the peer by it from now on; False: only receive."""
    chains: bytes
    """The chain to send with, then the one to receive with, of one length. Secret."""


class SessionMove(NamedTuple):
    """Send a session's records by another path. `use`: and the peer's packets by this session."""

    session: int
    link: int
    to: SocketAddress | None
    local: str | None
    use: bool


class SessionCompress(NamedTuple):
    """Compress what a session sends from now on."""

    session: int


class SessionDrop(NamedTuple):
    """Send no more on a session. `linger`: still receive; False: forget it and its keys."""

    session: int
    linger: bool


class SessionElsewhere(NamedTuple):
    """That worker has the session; None: nobody has it any more."""

    session: int
    worker: int | None


# ---- data channels ----


class ChannelOpen(NamedTuple):
    """Hand the bodies of records on a channel of a peer to a descriptor, one a message, and seal what is written into it.

    Each worker has it; the one with the peer's session reads."""

    peer: str
    channel: int
    """2 to 255."""
    opening: int
    """Tells this opening from earlier and later ones of the same channel."""
    rate: int
    """The most bytes a second that may be sent on it; 0: as many as can be."""
    carrier: bool
    """Are its records the packets of a link? Then it has a larger share of the worker's time."""
    socket: Descriptor
    """One end of a SOCK_SEQPACKET pair, non-blocking."""


class ChannelClose(NamedTuple):
    """Let go of a channel; nothing happens if it is not open."""

    peer: str
    channel: int


# ---- peers, routes, classes ----


class PeerElsewhere(NamedTuple):
    """What goes to the peer goes by a session of that worker; None: of no other."""

    peer: str
    worker: int | None


class Peers(NamedTuple):
    """Peers that came or changed."""

    peers: Sequence[tuple[str, Sequence[str], int]]
    """Name, prefixes that it may send from, and bytes a second that may be sent to it (0: as fast as can be)."""


class PeersRenewed(NamedTuple):
    """Somebody else is behind these names: what was for the one before must not come to him."""

    names: Sequence[str]


class PeersUnreached(NamedTuple):
    """What waits for a session of these peers is for nobody. What comes next is wanted anew."""

    names: Sequence[str]


class PeersGone(NamedTuple):
    """Peers to forget. Nothing is routed to them any more, and their sessions were dropped."""

    names: Sequence[str]


class Routes(NamedTuple):
    """What changed in the forwarding table. All other prefixes stay as they are."""

    put: Sequence[tuple[str, str]]
    """Prefix and peer, whoever had it before."""
    gone: Sequence[str]
    """Prefixes that go to no peer any more."""


class Overlay(NamedTuple):
    """What this node is inside the overlay. With the first of these the worker begins to read packets: all else is there."""

    hub: bool
    """Pass packets from one peer on to another."""
    own: Sequence[str]
    """This node's addresses, with prefix lengths."""


class Addresses(NamedTuple):
    """A slice of this host's addresses, on whatever interface; the `last` one swaps them in."""

    addresses: Sequence[str]
    last: bool


class Qos(NamedTuple):
    """Schedule traffic by classes; None: no longer. Only while it is scheduled are peers kept to their rates."""

    settings: Mapping[str, Any] | None


# ---- records and packets to be sent ----


class SendMessage(NamedTuple):
    """Send one record of another kind than IP on a session."""

    session: int
    type: int
    channel: int
    body: bytes


class SendProbe(NamedTuple):
    """Send a record padded so that it is one datagram of so many bytes, whatever records are cut into."""

    session: int
    type: int
    datagram: int
    body: bytes


class SendChallenge(NamedTuple):
    """Send one record of a session by another path than its own, which it keeps."""

    session: int
    type: int
    link: int
    to: SocketAddress | None
    local: str | None
    body: bytes


class SendPacket(NamedTuple):
    """Send one handshake packet."""

    link: int
    to: SocketAddress | None
    local: str | None
    packet: bytes


ORDERS: Final = Family(
    *(Start, Beat, Stop),
    *(LinkAdd, LinkDrop, LinkProtect, LinkShape, LinkOffload, WorkerJoin, Tun),
    *(Cookies, CookiesWanted),
    *(SessionAdd, SessionMove, SessionCompress, SessionDrop, SessionElsewhere),
    *(ChannelOpen, ChannelClose),
    *(PeerElsewhere, Peers, PeersRenewed, PeersUnreached, PeersGone, Routes, Overlay, Addresses, Qos),
    *(SendMessage, SendProbe, SendChallenge, SendPacket),
)

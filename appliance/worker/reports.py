"""What the worker says to the control process. Strangers speak to the worker, so what it says is judged where it is heard.

A `link` is a transport's socket and a `session` the keys with a peer, both by number. `source` is where a datagram came from over
a listener's shared socket, None on connected ones; `local` is the host's own address that it spoke to, where the listener has
several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.worker.messages import Family

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress

# ---- the worker's life ----


class Ready(NamedTuple):
    """Everything is loaded and every privilege gone."""

    user: int
    """Who it is now."""
    filtered: bool
    """Does the kernel check which system calls it makes?"""
    broken: Mapping[str, str]
    """Import paths that could not be loaded, with the reasons."""


class Failed(NamedTuple):
    """The library that compresses cannot be loaded; the worker ends."""

    error: str


class Raised(NamedTuple):
    """Something could not be done, by a mistake of ours: what and where, and how often since the last report of this kind."""

    place: str
    times: int


class Fault(NamedTuple):
    """The code at an import path, a driver's or a cipher's, raised. `times` is how often it has raised so far."""

    import_path: str
    place: str
    times: int


class TunLost(NamedTuple):
    """The TUN cannot be read any more, for that errno (0: it gives nothing)."""

    errno: int


# ---- links ----


class LinkClosed(NamedTuple):
    """A link ended; its number is free."""

    link: int


class LinkLimited(NamedTuple):
    """The kernel refuses datagrams longer than that on a link, whose driver keeps to it now."""

    link: int
    datagram: int


class LinkOffloads(NamedTuple):
    """The kernel does not cut datagrams on a link, for that errno; "": it does again."""

    link: int
    problem: str


class LinkLoss(NamedTuple):
    """This share (0 to 1) of a link's datagrams did not arrive lately."""

    link: int
    lost: float


class ChannelClosed(NamedTuple):
    """The worker has let go of a data channel: whoever had the other end of its descriptor closed it, or the peer is no more."""

    peer: str
    channel: int
    opening: int
    """As the order to open it said."""


class ChannelsUsed(NamedTuple):
    """What went through data channels on which something was sent since the last such report, in all since each was opened."""

    used: Sequence[tuple[str, int, int, int, int, int]]
    """Peer, channel, opening; records sent, bytes of their bodies, and records that came and were not taken in time."""


# ---- sessions ----


class Packet(NamedTuple):
    """A handshake packet came in."""

    link: int
    source: SocketAddress | None
    local: str | None
    packet: bytes


class Message(NamedTuple):
    """A record other than IP was opened."""

    session: int
    type: int
    channel: int
    body: bytes


class Moved(NamedTuple):
    """The newest authentic record of a session came by another path."""

    session: int
    link: int
    source: SocketAddress | None
    local: str | None


class Aside(NamedTuple):
    """A KeepAlive or an Ack was opened that came by another path than its session's."""

    session: int
    link: int
    source: SocketAddress | None
    local: str | None
    type: int
    newest: bool
    """No newer record has come before."""
    body: bytes


class Stalled(NamedTuple):
    """The peer is epochs ahead: only a new handshake helps."""

    session: int


class Want(NamedTuple):
    """Traffic waits for a peer without a session."""

    peer: str


REPORTS: Final = Family(
    *(Ready, Failed, Raised, Fault, TunLost),
    *(LinkClosed, LinkLimited, LinkOffloads, LinkLoss, ChannelClosed, ChannelsUsed),
    *(Packet, Message, Moved, Aside, Stalled, Want),
)

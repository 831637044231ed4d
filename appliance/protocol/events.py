"""What a node asks its driver to do and tells it.

Events are to be taken before packets: a session is installed before its peer can use it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from appliance.api.crypto import CryptoSuite
from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.wire.envelope import PacketType

LinkId = int
"""The number of a link (a socket that the worker holds). Whoever drives the node gives it."""


Path = tuple[LinkId, SocketAddress | None]
"""A link, and the address of the far end on a link that has several far ends (a listener's socket)."""


class CloseReason(StrEnum):
    """Why a session ended."""

    REPLACED = "replaced"
    """A newer session carries the peer's traffic."""
    DISCONNECTED = "disconnected"
    """The peer said that it is over."""
    SHUTDOWN = "shutdown"
    """This node stops."""
    IDLE = "idle"
    """Nothing authentic came for `idle` seconds."""
    LINK_CLOSED = "link-closed"
    """Its link closed."""
    REMOVED = "removed"
    """The profile no longer names the peer, or names it with another identity."""
    ROTATION_FAILED = "rotation-failed"
    """It was not replaced in time."""
    UNCONFIRMED = "unconfirmed"
    """We called, and the peer never showed that it has the keys."""
    WORKER_LOST = "worker-lost"
    """The worker that had its keys died."""
    PROBATION = "probation"
    """A stranger did not prove in time that it is a member, or others came, or it has an ordinary session now."""
    NO_ROOM = "no-room"
    """The worker had no room for it."""
    BLOCKED = "blocked"
    """This node has no session with that identity for now."""


class Transmit(NamedTuple):
    """Send a handshake packet."""

    link: LinkId
    to: SocketAddress | None
    """The far end; None on a link that has only one."""
    packet: bytes
    """Header and body: one datagram."""


class Dial(NamedTuple):
    """Connect to a peer, then call `handle_link` or `handle_dial_failed`."""

    peer: str
    """Its name."""
    endpoint: Endpoint
    """Where; the host is an address."""


class SessionReady(NamedTuple):
    """The keys of a session are there: open what comes for it.

    Send through it only after `SessionConfirmed`. Until then the peer may not have the keys, and a session that is being replaced
    still carries the traffic.
    """

    session: int
    """Our index of the session: the peer writes it into its headers."""
    remote_index: int
    """The peer's index: we write it into ours."""
    peer: str
    """The peer's name."""
    session_id: UUID
    suite: CryptoSuite
    send_chain: bytes
    """64 secret bytes, for the `Ratchet` that seals."""
    receive_chain: bytes
    """64 secret bytes, for the `Ratchet` that opens."""
    pq: bool
    """The key exchange was post-quantum."""
    link: LinkId
    source: SocketAddress | None
    """The far end; None on a link that has only one."""
    compression: bool = False
    """Packets may come compressed."""


class SessionConfirmed(NamedTuple):
    """The peer has the keys too: send what goes to it through this session."""

    session: int
    """Our index."""
    peer: str
    """The peer's name."""


class SessionReplaced(NamedTuple):
    """Another session carries the peer's traffic now. Open what still comes for this one until its SessionClosed."""

    session: int
    """Our index of the one that was replaced."""
    peer: str
    """The peer's name."""
    by: int
    """Our index of the new one."""


class SessionClosed(NamedTuple):
    """A session is over: drop its keys. A SendMessage that was taken before this event goes out first."""

    session: int
    """Our index."""
    peer: str
    """The peer's name."""
    reason: CloseReason


class SendMessage(NamedTuple):
    """Seal and send one record."""

    session: int
    """Our index."""
    kind: PacketType
    channel: int
    body: bytes
    """Plaintext."""


class SendProbe(NamedTuple):
    """Seal and send one KeepAlive, padded so that it fills one datagram, even if that is longer than the link's datagrams are
    now."""

    session: int
    """Our index."""
    datagram: int
    """Bytes of UDP payload."""
    body: bytes
    """Plaintext, before the padding."""


class Shape(NamedTuple):
    """Cut what goes out over a link into datagrams of another size from now on."""

    link: LinkId
    datagram: int
    """Bytes of UDP payload."""


class PathChanged(NamedTuple):
    """Send what goes out for a session by another path from now on."""

    session: int
    """Our index."""
    link: LinkId
    to: SocketAddress | None
    """The far end; None on a link that has only one."""


class Challenge(NamedTuple):
    """Seal one record for a session and send it by another path than the session's own, which stays what it is."""

    session: int
    """Our index."""
    link: LinkId
    to: SocketAddress | None
    """The far end; None on a link that has only one."""
    body: bytes
    """Plaintext."""
    kind: PacketType = PacketType.KEEP_ALIVE


class PathAsked(NamedTuple):
    """`peer` tried another path to us, and it was answered: where the probe came from."""

    peer: str
    session: int
    """Our index."""
    link: LinkId
    source: SocketAddress | None
    """The far end; None on a link that has only one."""
    token: int


class PathProved(NamedTuple):
    """Another path to `peer` works in both directions: `Node.take_path` moves the session there."""

    peer: str
    session: int
    """Our index."""
    endpoint: Endpoint
    rtt: float
    """Seconds."""


class LinkUnused(NamedTuple):
    """Nothing needs this link any more: close it."""

    link: LinkId


class Unreached(NamedTuple):
    """Traffic waits for a peer that is not kept alive, and it could not be reached: let go of what waits."""

    peer: str


class Refused(NamedTuple):
    """A handshake was refused, for a reason that the admin can do something about."""

    peer: str | None
    """The peer's name; None if it is not known who it was."""
    reason: str
    """One of `wire.faults.TOLD`."""


class PeerConnected(NamedTuple):
    """`peer` has an active session, and had none before."""

    peer: str
    proved: bool
    """It is a peer of this node. With a stranger on probation only what is allowed before membership is spoken."""


class PeerGone(NamedTuple):
    """The last session with `peer` ended. Its messages that waited are dropped, and our requests to it have failed."""

    peer: str


class StrangerCame(NamedTuple):
    """Somebody whom this node does not know is a peer for a few seconds: let workers know the name, with no prefix."""

    peer: str
    """Its fingerprint, which is its name too."""


class StrangerGone(NamedTuple):
    """A stranger is no peer any more; its sessions are over."""

    peer: str
    reason: str
    """Why it was not reached, if it was called and was not."""


class ControlWaiting(NamedTuple):
    """Control messages of `family` wait, where none waited before: take them with `ControlChannel.next`."""

    family: str


class Answered(NamedTuple):
    """Request `number` of ours was answered."""

    number: int
    family: str
    content: dict[str, Any]
    body: bytes


class AskFailed(NamedTuple):
    """Request `number` of ours will not be answered; `reason` is a `requests.Failure`."""

    number: int
    family: str
    reason: str


ControlEvent = PeerConnected | PeerGone | ControlWaiting | Answered | AskFailed
"""What peer protocols are told."""
StrangerEvent = StrangerCame | StrangerGone
"""Of strangers on probation."""


class Protect(NamedTuple):
    """Send another amount of parity over a link from now on."""

    link: LinkId
    span: int
    """Pieces of a cut record for which one parity piece goes along. 0: no parity."""


class Compress(NamedTuple):
    """The peer takes compressed packets on this session: compress what goes out from now on."""

    session: int
    """Our index."""


Event = (
    Dial
    | SessionReady
    | SessionConfirmed
    | SessionReplaced
    | SessionClosed
    | SendMessage
    | SendProbe
    | Shape
    | PathChanged
    | Challenge
    | PathAsked
    | PathProved
    | Protect
    | Compress
    | LinkUnused
    | Unreached
    | Refused
    | ControlEvent
    | StrangerEvent
)

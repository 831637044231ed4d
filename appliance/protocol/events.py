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
"""A socket in the worker's hands, as the driver numbers it."""


Path = tuple[LinkId, SocketAddress | None]
"""Link, and where the far end is on a link that has several."""


class CloseReason(StrEnum):
    """Why a session ended."""

    REPLACED = "replaced"
    DISCONNECTED = "disconnected"
    SHUTDOWN = "shutdown"
    IDLE = "idle"
    LINK_CLOSED = "link-closed"
    REMOVED = "removed"
    ROTATION_FAILED = "rotation-failed"
    UNCONFIRMED = "unconfirmed"
    WORKER_LOST = "worker-lost"
    NO_ROOM = "no-room"


class Transmit(NamedTuple):
    """Send `packet` over `link`; `to` is None on links that have one far end."""

    link: LinkId
    to: SocketAddress | None
    packet: bytes


class Dial(NamedTuple):
    """Reach `peer` at `endpoint` and answer with `handle_link` or `handle_dial_failed`."""

    peer: str
    endpoint: Endpoint


class SessionReady(NamedTuple):
    """Keys are there: open what comes for `session`. Send through it from `SessionConfirmed` on, so that a renewal loses nothing.

    `session` is our index (what the peer writes into its headers), `remote_index` goes into ours. The chains are 64 secret bytes
    for a `Ratchet` each. `compression`: packets may come compressed.
    """

    session: int
    remote_index: int
    peer: str
    session_id: UUID
    suite: CryptoSuite
    send_chain: bytes
    receive_chain: bytes
    pq: bool
    link: LinkId
    source: SocketAddress | None
    compression: bool = False


class SessionConfirmed(NamedTuple):
    """The peer has the keys too: send what goes to `peer` through `session`."""

    session: int
    peer: str


class SessionReplaced(NamedTuple):
    """`by` carries the peer's traffic now; open what still comes for `session` until its SessionClosed."""

    session: int
    peer: str
    by: int


class SessionClosed(NamedTuple):
    """`session` is over; drop its keys. A SendMessage taken before this event still goes out first."""

    session: int
    peer: str
    reason: CloseReason


class SendMessage(NamedTuple):
    """Seal and send one record of `kind` on `channel`."""

    session: int
    kind: PacketType
    channel: int
    body: bytes


class SendProbe(NamedTuple):
    """Seal and send one KeepAlive with `body`, padded to exactly one datagram of `datagram` bytes, whatever the link's size."""

    session: int
    datagram: int
    body: bytes


class Shape(NamedTuple):
    """Cut what goes out over `link` into datagrams of so many bytes from now on."""

    link: LinkId
    datagram: int


class PathChanged(NamedTuple):
    """Send what goes out for `session` over `link` (and to `to` on a shared socket) from now on."""

    session: int
    link: LinkId
    to: SocketAddress | None


class Challenge(NamedTuple):
    """Seal and send one KeepAlive with `body` for `session` over `link` (and to `to` on a shared socket). The session's own path
    stays."""

    session: int
    link: LinkId
    to: SocketAddress | None
    body: bytes


class LinkUnused(NamedTuple):
    """Nothing needs `link` any more: close it."""

    link: LinkId


class Refused(NamedTuple):
    """A handshake was refused for a reason the admin should know. `peer` is None when it is not known who it was."""

    peer: str | None
    reason: str


class PeerConnected(NamedTuple):
    """`peer` has an active session, and had none before."""

    peer: str


class PeerGone(NamedTuple):
    """The last session with `peer` ended. Its messages that waited are dropped, and our requests to it have failed."""

    peer: str


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


class Protect(NamedTuple):
    """Send one parity piece for every `span` pieces of a cut record over `link` from now on; 0: none."""

    link: LinkId
    span: int


class Compress(NamedTuple):
    """The peer takes compressed packets on `session`: compress what goes out from now on."""

    session: int


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
    | Protect
    | Compress
    | LinkUnused
    | Refused
    | ControlEvent
)

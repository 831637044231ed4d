"""What happens to a node, for lifespans and monitors. Frozen, small, never per packet."""

from __future__ import annotations

from typing import NamedTuple


class SessionOpened(NamedTuple):
    """A session with a peer is active."""

    peer: str
    """Its name."""
    session_id: str
    """A UUID."""
    suite: str
    """The name of the suite."""
    pq: bool
    """The key exchange was post-quantum."""
    endpoint: str
    """Where the peer is; "" if that is not known."""


class SessionClosed(NamedTuple):
    """A session ended."""

    peer: str
    """The peer's name."""
    session_id: str
    """A UUID."""
    reason: str
    """One of the values of `protocol.events.CloseReason`."""


class PathChanged(NamedTuple):
    """A session goes to another endpoint from now on (roaming or switch-over)."""

    peer: str
    """The peer's name."""
    session_id: str
    """A UUID."""
    endpoint: str
    """Where the peer is now."""


class ProfileChanged(NamedTuple):
    """Another profile is in force: sections and peers may have changed."""

    name: str
    """What it calls this node."""


SessionEvent = SessionOpened | SessionClosed | PathChanged
Event = SessionEvent | ProfileChanged

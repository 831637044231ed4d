"""What happens to a node, for lifespans and monitors. Frozen, small, never per packet."""

from __future__ import annotations

from typing import NamedTuple


class SessionOpened(NamedTuple):
    """A session with `peer` is active."""

    peer: str
    session_id: str
    suite: str
    pq: bool
    endpoint: str


class SessionClosed(NamedTuple):
    """A session ended; `reason` is one of protocol.CloseReason's values."""

    peer: str
    session_id: str
    reason: str


class PathChanged(NamedTuple):
    """A session moved to another endpoint (roaming or switch-over)."""

    peer: str
    session_id: str
    endpoint: str


class ProfileChanged(NamedTuple):
    """Another profile is in force: sections and peers may have changed."""

    name: str
    """What it calls this node."""


SessionEvent = SessionOpened | SessionClosed | PathChanged
Event = SessionEvent | ProfileChanged

"""What this host's node tells of itself and its peers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Peer(NamedTuple):
    """A peer of this host's node. Fields that the node does not know are empty, or None."""

    name: str
    identity: str
    origin: str = ""
    """`profile`, `member` or `discovery`."""
    connected: bool = False
    path: str = ""
    """`direct` or `relayed`."""
    rtt_ms: float | None = None
    standing: str = ""
    """What the network knows of a member: alive, suspected, dead, left or unknown."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Peer:
        """From what the node says (`peers`, docs/control-socket.md)."""
        known = {name: told[name] for name in cls._fields if told.get(name) is not None}
        return cls(**known)


class NodeHealth(NamedTuple):
    """How a node is."""

    ok: bool
    """Nothing is wrong."""
    ready: bool
    """It has started, and has not begun to stop."""
    problems: Mapping[str, str] = {}
    """What is wrong, by part."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> NodeHealth:
        """From what the node says (`health`, docs/control-socket.md)."""
        return cls(bool(told["ok"]), bool(told["ready"]), dict(told.get("problems") or {}))

"""Which members serve a service, as the node of this host knows it by their rows: asked for, kept for a while, followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from appliance.sdk.resilience.balancing import Candidate


class Instance(NamedTuple):
    """A member that serves the service."""

    service: str
    node: str
    """Its name."""
    identity: str = ""
    healthy: bool = True
    """What its own check says."""
    load: int = 0
    """Per cent, as it says itself, in steps."""
    metadata: Mapping[str, str] = {}
    standing: str = "alive"
    """What the network knows of the member: alive, suspected, …"""
    connected: bool = False
    """Has this host's node a session with it?"""
    rtt_ms: float | None = None
    own: bool = False
    """Is it this host itself?"""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Instance:
        """From what the node says (`services`, docs/control-socket.md); members that are not known are passed over."""
        known = {name: told[name] for name in ("service", "node", "identity", "load", "standing", "connected", "rtt_ms", "own")}
        return cls(**known, healthy=told["health"] == "passing", metadata=dict(told.get("metadata") or {}))

    def candidate(self) -> Candidate:
        """For a balancer: a member that the network takes for dead is no better than one that says that it fails."""
        return Candidate(self.node, self.healthy and self.standing in {"alive", "suspected"}, self.load)

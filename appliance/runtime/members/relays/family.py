"""The family `relay` of control messages: what comes from peers goes to the part of this node that serves, or to the one that
uses relays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.api.peer_protocol import Answer
from appliance.members.relays.messages import CircuitRefused, read_close, refusal
from appliance.runtime.members.relays.serving import Serving
from appliance.runtime.members.relays.using import Using


class RelayFamily:
    """A `PeerProtocol`."""

    def __init__(self, using: Using, serving: Serving) -> None:
        self.using = using
        self.serving = serving

    def on_connected(self, peer: str) -> None:
        """A peer has a session."""
        self.serving.connected(peer)
        self.using.connected(peer)

    def on_gone(self, peer: str) -> None:
        """Its last session ended."""
        self.serving.gone(peer)
        self.using.gone(peer)

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], _body: bytes) -> None:
        """A circuit is over; for both sides the peer may be a relay, and may use this one."""
        if kind != "close":
            return
        try:
            number, why = read_close(content)
        except CircuitRefused as refused:
            self.using.counters[f"refused-{refused.reason}"] += 1
            return
        if not self.using.closed_by(peer, number, why):
            self.serving.closed_by(peer, number)

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], _body: bytes) -> Answer | None:
        """What a peer wants; what is refused is answered with the reason."""
        counters = self.using.counters if kind == "incoming" else self.serving.desk.counters
        try:
            return await self._answer(peer, kind, content)
        except CircuitRefused as refused:
            counters[f"refused-{refused.reason}"] += 1
            return refusal(refused.reason)

    async def _answer(self, peer: str, kind: str, content: Mapping[str, Any]) -> Answer | None:
        if kind == "incoming":
            return self.using.incoming(peer, content)
        if kind not in ("reserve", "connect", "measure"):
            return None
        if kind == "reserve":
            return self.serving.reserve(peer)
        if kind == "connect":
            return await self.serving.connect(peer, content)
        return self.serving.measure(peer, content)

    def close(self) -> None:
        """No circuits any more."""
        self.serving.close()
        self.using.close()

    def report(self, now: float) -> dict[str, Any]:
        """For the status."""
        return {"uses": self.using.report(now), "serves": self.serving.report(now)}

    def stats(self) -> Mapping[str, int]:
        """What happened, for people."""
        return dict(self.using.counters) | {f"served-{name}": count for name, count in self.serving.desk.counters.items()}

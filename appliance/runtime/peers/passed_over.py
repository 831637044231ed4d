"""Why a peer's traffic does not go by a better endpoint than it does, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.protocol.peer import Peer
    from appliance.protocol.session import Session


def passed_over(peer: Peer, session: Session | None) -> list[dict[str, str]]:
    """The endpoints that are wanted more than that of `session`, each with what the last attempt there came to."""
    if session is None:
        return []
    return [
        {"endpoint": str(endpoint), "reason": reason.removeprefix(f"{endpoint}: ")}
        for endpoint, reason in peer.passed_over(session.endpoint)
    ]

"""The packets that carry the overlay must not go into it: an address that the kernel routes there is no way to a peer.

Asked whenever a name resolves, before each dial and when a peer comes from somewhere else, since routes and names change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance.api.planning import Advice
from appliance.foundation.logging import get_logger, once_per
from appliance.linux.egress import egress

log = get_logger("endpoints")

Refuses = Callable[[Sequence[str], str, str], dict[str, str]]
"""`refuses(hosts, endpoint, peer)`: as `Loops.refuses`."""

MOST = 64
"""Warnings kept for `status`; a hub's peers usually make the same mistake."""
WARN_EVERY = 600.0


def nothing_refused(_hosts: Sequence[str], _endpoint: str, _peer: str) -> dict[str, str]:
    """For a node without a tunnel of its own."""
    return {}


class Loops:
    """`interface()` is the overlay's, `mark` is what our packets to peers carry. `advice` is for `status`."""

    def __init__(self, interface: Callable[[], str], mark: int) -> None:
        self._interface = interface
        self._mark = mark
        self._found: dict[str, Advice] = {}

    @property
    def advice(self) -> tuple[Advice, ...]:
        """What is wrong with the addresses that were asked about."""
        return tuple(self._found.values())

    def forget(self) -> None:
        """The profile changed."""
        self._found.clear()

    def refuses(self, hosts: Sequence[str], endpoint: str, peer: str) -> dict[str, str]:
        """Which of `hosts`, addresses of `endpoint`, cannot be used, and why."""
        reasons = {host: reason for host in hosts if (reason := self._reason(host))}
        key = f"{peer} {endpoint}"
        if not reasons:
            self._found.pop(key, None)
            return reasons
        reason = "; ".join(reasons.values())
        if key in self._found or len(self._found) < MOST:
            self._found[key] = Advice(
                "endpoint-inside-overlay",
                f"peer {peer}: {endpoint} cannot be used: {reason}",
                "give the endpoint an address outside, or make that prefix more specific",
            )
        if times := once_per(WARN_EVERY, f"loop {key} {reason}"):
            log.warning("an address lies inside the tunnel", peer=peer, endpoint=endpoint, reason=reason, times=times)
        return reasons

    def _reason(self, host: str) -> str:
        way = egress(host, self._mark)
        if way is None or way.link != self._interface():
            return ""
        return f"{host} is routed into the tunnel ({way.prefix} over {way.link})"

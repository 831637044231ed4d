"""Who claims to be which of our peers, and where: the newest record of each libp2p peer. Pure.

Nobody can say here which of several claims is a liar's. All are candidates, the newest first; of too many the oldest goes.
"""

from __future__ import annotations

from typing import Final

from appliance.api.discovery import Candidate
from appliance.api.values import Endpoint
from appliance_discovery_libp2p.place import MOST_ENDPOINTS, Found

MOST_CLAIMS: Final = 8
"""Of one peer of ours. An honest one has one, and one more after it lost its libp2p key."""


class Claims:
    """`ttl`: seconds for which a candidate is good."""

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._claims: dict[str, dict[bytes, Found]] = {}
        self._told: dict[str, tuple[Endpoint, ...]] = {}

    def __len__(self) -> int:
        """Peers of ours of whom there is a claim."""
        return len(self._claims)

    def claim(self, name: str, claimant: bytes, found: Found) -> None:
        """The libp2p peer `claimant` says that the peer `name` is there."""
        claims = self._claims.setdefault(name, {})
        if claimant not in claims or claims[claimant].issued <= found.issued:
            claims[claimant] = found
        if len(claims) > MOST_CLAIMS:
            del claims[min(claims, key=lambda known: claims[known].issued)]

    def expire(self, name: str, before: float) -> None:
        """Forget what was issued before a time."""
        left = {claimant: found for claimant, found in self._claims.get(name, {}).items() if found.issued >= before}
        if left:
            self._claims[name] = left
        else:
            self._claims.pop(name, None)

    def forget(self, name: str) -> None:
        """It is no peer of ours any more."""
        self._claims.pop(name, None)

    def news(self, name: str) -> list[Candidate]:
        """What to tell of a peer now: what is not claimed any more is taken back, the rest given (again)."""
        newest = sorted(self._claims.get(name, {}).values(), key=lambda found: found.issued, reverse=True)
        now = tuple(dict.fromkeys(endpoint for found in newest for endpoint in found.endpoints))[:MOST_ENDPOINTS]
        before = self._told.pop(name, ())
        if now:
            self._told[name] = now
        gone = [Candidate(name, endpoint, 0, 0.0) for endpoint in before if endpoint not in now]
        return [*gone, *(Candidate(name, endpoint, priority, self._ttl) for priority, endpoint in enumerate(now))]

"""Which relay to take: by the round trip to it and by how busy it says that it is; the one that was taken stays, unless another
is clearly better. Pure.

A relay can lie about how busy it is, which brings it traffic that it cannot read, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

SMOOTHING: Final = 0.25
"""Weight of a new round trip."""
BETTER_SECONDS: Final = 0.005
BETTER_SHARE: Final = 0.2
"""Another relay is taken when it is better by more than both: so far jitter goes."""
BUSY_SECONDS: Final = 0.1
"""What a relay at whose desk everything is taken counts as slower; half taken, a quarter of that."""
UNKNOWN_SECONDS: Final = 0.2
"""What counts for a relay that was never measured: it is tried after near ones, before far ones."""
MOST_KNOWN: Final = 256


class Choice:
    """What was measured of relays, by name."""

    def __init__(self) -> None:
        self._trip: dict[str, float] = {}
        self._cost: dict[str, float] = {}

    def measured(self, relay: str, seconds: float, used: float) -> None:
        """`relay` answered after so many seconds, and says that this share of it is taken."""
        before = self._trip.pop(relay, seconds)
        self._trip[relay] = before + SMOOTHING * (seconds - before)
        self._cost[relay] = self._trip[relay] + BUSY_SECONDS * used * used
        if len(self._trip) > MOST_KNOWN:
            self.lost(next(iter(self._trip)))

    def lost(self, relay: str) -> None:
        """`relay` did not answer: what is known of it does not count any more."""
        self._trip.pop(relay, None)
        self._cost.pop(relay, None)

    def cost(self, relay: str) -> float:
        """What it costs to go over `relay`, in seconds."""
        return self._cost.get(relay, UNKNOWN_SECONDS)

    def known(self) -> dict[str, float]:
        """The measured relays, and the round trip to each in seconds."""
        return dict(self._trip)

    def order(self, relays: Iterable[str], pair: str, current: str | None = None) -> list[str]:
        """Best first. Of those about as good as the best, each `pair` of nodes gets another one first: they share the load, and
        both ends of a pair take the same one. `current` stays first unless another is clearly better."""
        ranked = sorted(relays, key=lambda relay: (self.cost(relay), relay))
        if not ranked:
            return []
        best = self.cost(ranked[0])
        near = [relay for relay in ranked if not self._clearly(best, self.cost(relay))]
        first = current if current in near else max(near, key=lambda relay: _weight(relay, pair))
        return [first, *(relay for relay in ranked if relay != first)]

    @staticmethod
    def _clearly(better: float, worse: float) -> bool:
        return worse - better > max(BETTER_SECONDS, BETTER_SHARE * worse)


def _weight(relay: str, pair: str) -> bytes:
    """Rendezvous hashing (Thaler and Ravishankar, 1998): each pair has its own order of relays, which a relay that comes or goes
    changes for its own pairs only."""
    return sha256(f"{relay}\0{pair}".encode()).digest()

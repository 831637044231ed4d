"""What a member tells its neighbours of what it learnt, and when: news and claims, gathered for a moment, and now and then a
summary of all that it knows, so that what was lost on the way is found. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from appliance.members.claims import Claim
from appliance.members.effects import Say
from appliance.members.reconciling import Reconciling
from appliance.members.roster import Entry
from appliance.members.row import Digest

SUSPECT: Final = "suspect"
SOON: Final = 0.1
FLUSH_SECONDS: Final = 2.0
"""How long news is gathered before neighbours are told, and how long if they were told something just before."""
FIRST_SUMMARY: Final = 4.0
LONGEST_SUMMARY: Final = 60.0
"""Between two summaries to a neighbour: doubled while both are equal, short again after a change."""
MOST_CLAIMS: Final = 64
"""In one message."""
NEVER: Final = float("inf")


class Telling:
    """What one member has to tell. `there()`: the neighbours that it has a session with; `jitter()`: in [0, 1)."""

    def __init__(
        self, reconciling: Reconciling, there: Callable[[], list[Digest]], jitter: Callable[[], float], now: float
    ) -> None:
        self.said: list[Say] = []
        self._reconciling = reconciling
        self._there = there
        self._jitter = jitter
        self._news: dict[bytes, tuple[Entry, Digest]] = {}
        """What neighbours are to be told, and from whom we have it."""
        self._claims: dict[bytes, tuple[Claim, Digest]] = {}
        self._flush_at = NEVER
        self._flushed = now - FLUSH_SECONDS
        self._summary_seconds = FIRST_SUMMARY
        self._summary_at = now + FIRST_SUMMARY * jitter()
        self._again: dict[Digest, float] = {}
        """Peers that had news, and when to say our summary to them again."""

    def tell(self, entry: Entry, source: Digest, now: float) -> None:
        """An entry of the roster is new, and came from `source`."""
        self._news[entry.key] = entry, source
        self._flush_soon(now)
        self._summary_seconds = FIRST_SUMMARY
        self._summary_at = min(self._summary_at, now + FIRST_SUMMARY)

    def tell_claim(self, claim: Claim, source: Digest, now: float) -> None:
        """Somebody is suspected, and the claim came from `source`."""
        self._claims[claim.encoded] = claim, source
        self._flush_soon(now)

    def say_claims(self, peer: Digest, claims: Sequence[Claim]) -> None:
        """Say these to one peer now."""
        for at in range(0, len(claims), MOST_CLAIMS):
            body = b"".join(claim.encoded for claim in claims[at : at + MOST_CLAIMS])
            self.said.append(Say(peer, SUSPECT, body))

    def say_summary(self, peer: Digest, when: float) -> None:
        """Let one peer have a summary then."""
        self._again[peer] = when

    def forget(self, peer: Digest) -> None:
        """There is no session with it any more."""
        self._again.pop(peer, None)

    def next_due(self) -> float:
        """When `due` wants to be called."""
        return min(self._flush_at, self._summary_at, *self._again.values())

    def due(self, now: float) -> None:
        """Time passed."""
        for peer in [peer for peer, when in self._again.items() if when <= now]:
            del self._again[peer]
            self._reconciling.summary(peer)
        if self._summary_at <= now:
            self._summary_at = now + self._summary_seconds * (0.75 + self._jitter() / 2)
            self._summary_seconds = min(2 * self._summary_seconds, LONGEST_SUMMARY)
            there = self._there()
            if there:
                self._reconciling.summary(there[int(self._jitter() * len(there))])
        if self._flush_at <= now:
            self._flush(now)

    def _flush_soon(self, now: float) -> None:
        self._flush_at = min(self._flush_at, max(now + SOON, self._flushed + FLUSH_SECONDS))

    def _flush(self, now: float) -> None:
        self._flush_at = NEVER
        self._flushed = now
        news, self._news = list(self._news.values()), {}
        claims, self._claims = list(self._claims.values()), {}
        for peer in self._there():
            self._reconciling.offer(peer, [entry for entry, source in news if source != peer])
            self.say_claims(peer, [claim for claim, source in claims if source != peer])

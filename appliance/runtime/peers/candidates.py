"""What discoverers found: for each peer where to try, best first, until it is too old or taken back. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from appliance.api.discovery import Candidate
from appliance.api.values import Endpoint

LONGEST_TTL = 86400.0
"""Seconds after which a candidate is too old, whatever its discoverer said."""
MOST = 64
"""Endpoints kept for a peer: as many as a profile may give it."""

Lists = dict[str, tuple[Endpoint, ...]]
"""Peers whose list changed, each with where to try now, best first; nothing when the last one was taken back."""


class _Known(NamedTuple):
    priority: int
    expires: float
    told: float


class Place(NamedTuple):
    """One candidate, for people."""

    kind: str
    """The discovery kind that found it."""
    peer: str
    endpoint: Endpoint
    age: float
    """Seconds since it was told last."""


class Candidates:
    """Each candidate belongs to the kind that found it: only that kind can take it back. Those that are too old serve on while
    there is nothing better."""

    def __init__(self) -> None:
        self._peers: dict[str, dict[tuple[str, Endpoint], _Known]] = {}
        self._told: Lists = {}

    def __len__(self) -> int:
        return sum(map(len, self._peers.values()))

    def take(self, kind: str, batch: Iterable[Candidate], peers: Container[str], now: float) -> Lists:
        """What `kind` found at `now`, as far as it is about one of `peers`. A `ttl` of 0 takes a candidate back."""
        touched: dict[str, None] = {}
        for peer, endpoint, priority, ttl in batch:
            if peer not in peers:
                continue
            touched[peer] = None
            known = self._peers.setdefault(peer, {})
            if ttl > 0:
                known[kind, endpoint] = _Known(priority, now + min(ttl, LONGEST_TTL), now)
            else:
                known.pop((kind, endpoint), None)
        return self._changed(sorted(touched), now)

    def found(self, now: float) -> Iterator[Place]:
        """All candidates at `now`, peer by peer, best first."""
        for peer, known in self._peers.items():
            for (kind, endpoint), entry in sorted(known.items(), key=lambda item: item[1].priority):
                yield Place(kind, peer, endpoint, now - entry.told)

    def drop(self, kind: str, now: float) -> Lists:
        """`kind` runs no more: what it found is taken back."""
        touched = [peer for peer, known in self._peers.items() if any(finder == kind for finder, _ in known)]
        for peer in touched:
            self._peers[peer] = {key: entry for key, entry in self._peers[peer].items() if key[0] != kind}
        return self._changed(sorted(touched), now)

    def forget(self, peers: Iterable[str]) -> None:
        """Forget what is known of these."""
        for peer in peers:
            self._peers.pop(peer, None)
            self._told.pop(peer, None)

    def _changed(self, touched: Iterable[str], now: float) -> Lists:
        lists = {peer: self._list(peer, now) for peer in touched}
        changed = {peer: found for peer, found in lists.items() if found != self._told.get(peer, ())}
        self._told |= changed
        return changed

    def _list(self, peer: str, now: float) -> tuple[Endpoint, ...]:
        known = self._peers[peer]
        known = {key: entry for key, entry in known.items() if entry.expires > now} or known
        best = sorted(known, key=lambda key: known[key].priority)
        kept = list(dict.fromkeys(endpoint for _, endpoint in best))[:MOST]
        self._peers[peer] = {key: known[key] for key in best if key[1] in kept}
        return tuple(kept)

"""The course of one look-up: whom to ask next, until the nearest twenty that answer are known.

    ask() ─ up to alpha at a time ─ heard(peer, closer) or silent(peer) ─ … ─ done

What peers tell is only whom to ask: a liar adds names that do not answer, or are far. Names and questions are bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance_discovery_libp2p.kad.distance import point
from appliance_discovery_libp2p.kad.messages import Peer

ALPHA: Final = 3
"""By the specification: 10 for a network of many thousands with a third of them away, 3 in the paper."""
MOST_NAMES: Final = 256
"""That are kept: the nearest."""
MOST_QUESTIONS: Final = 60


class Lookup:
    """Towards a point. `count`: how many that answer are wanted."""

    def __init__(self, target: int, own: bytes, seeds: Sequence[Peer], count: int) -> None:
        self._target, self._own, self._count = target, own, count
        self._known: dict[bytes, Peer] = {}
        self._asked: set[bytes] = set()
        self._waiting: set[bytes] = set()
        self._answered: list[bytes] = []
        self._add(seeds)

    @property
    def done(self) -> bool:
        """Is there nobody left to ask or to wait for?"""
        return not self._waiting and not self._next()

    @property
    def found(self) -> list[Peer]:
        """Who answered, nearest first, as many as were wanted."""
        nearest = sorted(self._answered, key=lambda peer: point(peer) ^ self._target)
        return [self._known[peer] for peer in nearest[: self._count]]

    @property
    def questions(self) -> int:
        """How many were asked."""
        return len(self._asked)

    def ask(self) -> list[Peer]:
        """Whom to ask now."""
        chosen = self._next()[: ALPHA - len(self._waiting)]
        for peer in chosen:
            self._asked.add(peer.id)
            self._waiting.add(peer.id)
        return chosen

    def heard(self, peer: bytes, closer: Sequence[Peer]) -> None:
        """He answered."""
        if peer in self._waiting:
            self._waiting.remove(peer)
            self._answered.append(peer)
            self._add(closer)

    def silent(self, peer: bytes) -> None:
        """He did not."""
        self._waiting.discard(peer)

    def _next(self) -> list[Peer]:
        """Those not asked among the nearest that answered, or may."""
        if len(self._asked) >= MOST_QUESTIONS:
            return []
        gone = self._asked - self._waiting - set(self._answered)
        nearest = sorted((peer for peer in self._known if peer not in gone), key=lambda peer: point(peer) ^ self._target)
        return [self._known[peer] for peer in nearest[: self._count] if peer not in self._asked]

    def _add(self, peers: Sequence[Peer]) -> None:
        for peer in peers:
            if peer.id != self._own and peer.addresses:
                self._known.setdefault(peer.id, peer)
        if len(self._known) > MOST_NAMES:
            kept = sorted(self._known, key=lambda peer: point(peer) ^ self._target)
            for name in kept[MOST_NAMES:]:
                if name not in self._asked:
                    del self._known[name]

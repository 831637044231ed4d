"""The peers that this node would ask: 256 buckets by distance, twenty in each.

A bucket that is full takes nobody new: who has been there long is likely to stay, and who floods gains nothing. One owner's
network may have two peers in a bucket and ten in all, so that many names for one machine do not surround a key.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from appliance_discovery_libp2p.kad.distance import BITS, point
from appliance_discovery_libp2p.kad.messages import Peer
from appliance_discovery_libp2p.kad.reach import neighbourhood

K: Final = 20
"""By the specification."""
MOST_OF_ONE_IN_BUCKET: Final = 2
MOST_OF_ONE: Final = 10


class Table:
    """`own` is this node's peer id."""

    def __init__(self, own: bytes) -> None:
        self._own = point(own)
        self._buckets: list[dict[bytes, Peer]] = [{} for _ in range(BITS)]
        self._points: dict[bytes, int] = {}
        """Of each peer in the table: a hash for each would be the greater part of an answer's time."""
        self._neighbourhoods: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._points)

    def add(self, peer: Peer) -> bool:
        """Somebody who answered, with addresses of his. Is he in it now?"""
        index = self._index(peer.id)
        if index is None or not peer.addresses:
            return False
        bucket = self._buckets[index]
        if peer.id in bucket:
            self.remove(peer.id)
        around = neighbourhood(peer.addresses[0].host)
        near = sum(neighbourhood(other.addresses[0].host) == around for other in bucket.values())
        if len(bucket) >= K or (around and (near >= MOST_OF_ONE_IN_BUCKET or self._neighbourhoods[around] >= MOST_OF_ONE)):
            return False
        bucket[peer.id] = peer
        self._points[peer.id] = point(peer.id)
        self._neighbourhoods[around] += 1
        return True

    def remove(self, peer: bytes) -> None:
        """He does not answer."""
        index = self._index(peer)
        found = self._buckets[index].pop(peer, None) if index is not None else None
        if found is not None:
            del self._points[peer]
            around = neighbourhood(found.addresses[0].host)
            self._neighbourhoods[around] -= 1
            if not self._neighbourhoods[around]:
                del self._neighbourhoods[around]

    def find(self, peer: bytes) -> Peer | None:
        """A peer of the table."""
        index = self._index(peer)
        return self._buckets[index].get(peer) if index is not None else None

    def closest(self, target: int, count: int = K) -> list[Peer]:
        """The nearest to a point, nearest first."""
        nearest = sorted(self._points, key=lambda peer: self._points[peer] ^ target)[:count]
        return [self._buckets[(self._points[peer] ^ self._own).bit_length() - 1][peer] for peer in nearest]

    def _index(self, peer: bytes) -> int | None:
        distance = point(peer) ^ self._own
        return distance.bit_length() - 1 if distance else None

"""What this node keeps for others: records that their makers signed, and who says to provide what.

Both are bounded, and what lies farthest from this node goes first: it is others' to keep, and whoever wants to push something out
has to make names that are near.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from appliance_discovery_libp2p.kad.distance import point
from appliance_discovery_libp2p.kad.messages import Peer, Record
from appliance_discovery_libp2p.wire.malformed import Malformed

MOST_VALUES: Final = 1024
"""Records, of 2 KiB at most."""
MOST_KEYS: Final = 1024
"""Keys that somebody provides."""
MOST_PROVIDERS: Final = 20
"""Of one key."""
PROVIDER_SECONDS: Final = 24 * 3600.0
"""For which a provider is believed, unless it says so again. By the specification."""


class Judged(NamedTuple):
    """What counts of a record: the newer of two of one key is kept, until it expires."""

    issued: float
    expires: float


Judge = Callable[[Record, float], Judged]
"""Judges a record at a time (seconds since 1970). Raises Malformed unless its maker signed it and it is in force."""
Kept = TypeVar("Kept")


class _Nearest(Generic[Kept]):
    """A bounded table by key, from which the farthest goes."""

    def __init__(self, own: bytes, most: int) -> None:
        self.kept: dict[bytes, Kept] = {}
        self.ours: set[bytes] = set()
        """Keys of this node's own; they stay."""
        self._own, self._most = point(own), most

    def put(self, key: bytes, kept: Kept) -> bool:
        self.kept[key] = kept
        if len(self.kept) <= self._most:
            return True
        farthest = max((known for known in self.kept if known not in self.ours), key=lambda known: point(known) ^ self._own)
        del self.kept[farthest]
        return farthest != key


class _Provider(NamedTuple):
    peer: Peer
    until: float


class Store:
    """`judge` says which records are good. Times are seconds since 1970."""

    def __init__(self, own: bytes, judge: Judge) -> None:
        self._judge = judge
        self._values: _Nearest[tuple[bytes, Judged]] = _Nearest(own, MOST_VALUES)
        self._providers: _Nearest[dict[bytes, _Provider]] = _Nearest(own, MOST_KEYS)

    @property
    def values(self) -> int:
        """How many records are kept."""
        return len(self._values.kept)

    @property
    def provided(self) -> int:
        """How many keys have providers."""
        return len(self._providers.kept)

    def put_own(self, record: Record, now: float) -> None:
        """Keep this node's own, whatever there is. Raises Malformed if it is not good."""
        judged = self._judge(record, now)
        self._values.ours.add(record.key)
        self._values.put(record.key, (record.value, judged))

    def put(self, record: Record, now: float) -> None:
        """Keep it, unless a newer one is there. Raises Malformed if it is not good, or if there is no room."""
        judged = self._judge(record, now)
        known = self._values.kept.get(record.key)
        if known is not None and known[1].issued > judged.issued:
            raise Malformed("record old")
        if not self._values.put(record.key, (record.value, judged)):
            raise Malformed("store full")

    def get(self, key: bytes, now: float) -> Record | None:
        """The record under a key, while it is in force."""
        found = self._values.kept.get(key)
        return Record(key, found[0]) if found is not None and now < found[1].expires else None

    def provide(self, key: bytes, peer: Peer, now: float) -> None:
        """This node provides what is under a key, whoever else does."""
        known = self._providers.kept.get(key, {})
        self._providers.ours.add(key)
        self._providers.put(key, {peer.id: _Provider(peer, now + PROVIDER_SECONDS), **_without(known, peer.id)})

    def add_provider(self, key: bytes, peer: Peer, now: float) -> None:
        """Somebody provides what is under a key. Raises Malformed when there is no room."""
        known = self._providers.kept.get(key, {})
        if peer.id not in known and len(known) >= MOST_PROVIDERS:
            raise Malformed("store full")
        if not self._providers.put(key, {**known, peer.id: _Provider(peer, now + PROVIDER_SECONDS)}):
            raise Malformed("store full")

    def providers(self, key: bytes, now: float) -> tuple[Peer, ...]:
        """Who provides it."""
        return tuple(found.peer for found in self._providers.kept.get(key, {}).values() if now < found.until)

    def expire(self, now: float) -> None:
        """Forget what is over."""
        values, provided = self._values.kept, self._providers.kept
        for key in [key for key, (_, judged) in values.items() if judged.expires <= now]:
            del values[key]
        for key, providers in [*provided.items()]:
            left = {peer: found for peer, found in providers.items() if now < found.until}
            if left:
                provided[key] = left
            else:
                del provided[key]


def _without(known: dict[bytes, _Provider], peer: bytes) -> dict[bytes, _Provider]:
    return {other: found for other, found in known.items() if other != peer}

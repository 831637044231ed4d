"""Records go to members that are new and closer to their keys, so that they are found there at once and not in an hour.

Of the members that keep a record the two closest to its key do that (Kademlia, section 2.5, has the closest one do it: one more,
so that nothing hangs on one member).
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final

from appliance.knowledge.dht.store import Place, Store
from appliance.knowledge.dht.table import Table
from appliance.knowledge.dht.wire import MOST_RECORDS, RECORD_HEAD, K, Packed
from appliance.members.row import Digest

STEP_SECONDS: Final = 1.0
STEP_PLACES: Final = 64
"""Keys that are looked at in a step: half a millisecond."""
STEP_RECORDS: Final = 30
"""Records that are handed to one member in a step: as many as it takes from one member in a second."""
MOST_NEW: Final = 32
"""Members that wait for theirs."""
GIVERS: Final = 2


class Handover:
    """One node's."""

    def __init__(self, table: Table, store: Store) -> None:
        self.due = inf
        """When `step` wants to be called."""
        self._table = table
        self._store = store
        self._new: deque[tuple[Digest, deque[Place]]] = deque()

    def meet(self, member: Digest, now: float) -> None:
        """It is new in the table. What is near it is near this node too, or this node has nothing for it."""
        contact = self._table.get(member)
        if contact is None or not self._store.total or len(self._new) >= MOST_NEW or not self._table.is_near(contact.id, 2 * K):
            return
        self._new.append((member, deque(self._store.places())))
        self.due = min(self.due, now + STEP_SECONDS)

    def step(self, now: float) -> tuple[Digest, list[Packed]]:
        """A newcomer, and what it is to have next; perhaps nothing."""
        member, places = self._new[0]
        contact, give = self._table.get(member), list[Packed]()
        size = 0
        if contact is not None:
            for _ in range(min(STEP_PLACES, len(places))):
                place = places[0]
                if self._is_for(contact.id, place):
                    packed = [held.packed for held in self._store.at(place)]
                    more = sum(RECORD_HEAD + len(each.encoded) for each in packed)
                    if give and (len(give) + len(packed) > STEP_RECORDS or size + more > MOST_RECORDS):
                        break
                    give += packed
                    size += more
                places.popleft()
        if contact is None or not places:
            self._new.popleft()
        self.due = now + STEP_SECONDS if self._new else inf
        return member, give

    def _is_for(self, newcomer: int, place: Place) -> bool:
        point = place[1]
        return self._table.rank(point, newcomer) < GIVERS and self._table.closer(point, newcomer) < K

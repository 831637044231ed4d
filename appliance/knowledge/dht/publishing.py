"""What a node itself has written into the table, and when it is written again: members come and go, it stays till it expires."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from appliance.knowledge.dht.store import Place, point_of
from appliance.knowledge.dht.wire import Packed, Type
from appliance.knowledge.signed import Record

REPUBLISH_SECONDS: Final = 3600.0
"""Kademlia's own figure."""
AGAIN_SECONDS: Final = 60.0
"""When too few members keep it; the next time after twice as long."""
MOST_OWN: Final = 1024


class Own(NamedTuple):
    """A record of this node."""

    type: Type
    record: Record
    due: float
    """When it is written again, on the clock that only goes forward."""
    again: float = AGAIN_SECONDS
    """How soon, if too few keep it."""

    @property
    def place(self) -> Place:
        """Under what it is written."""
        return self.type, point_of(self.record)

    @property
    def packed(self) -> Packed:
        """As it travels."""
        return Packed(self.type, self.record.encoded)


class Publishing:
    """One node's."""

    def __init__(self) -> None:
        self._own: dict[Place, Own] = {}
        self._sequence = 0

    def __iter__(self) -> Iterator[Own]:
        return iter(self._own.values())

    def __len__(self) -> int:
        return len(self._own)

    def __contains__(self, place: Place) -> bool:
        return place in self._own

    def sequence(self, wall: float) -> int:
        """For the next record: higher than all before, also than those before a restart."""
        self._sequence = max(self._sequence + 1, int(wall * 1000))
        return self._sequence

    def add(self, type_: Type, record: Record, due: float) -> None:
        """It is to be there until it expires, unless a later one is: a program may put before all of the disk was read."""
        self._sequence = max(self._sequence, record.sequence)
        own = Own(type_, record, due)
        known = self._own.get(own.place)
        if known is None or known.record.sequence <= record.sequence:
            self._own[own.place] = own

    def remove(self, place: Place) -> None:
        """It is not written again."""
        self._own.pop(place, None)

    def writing(self, own: Own, due: float) -> None:
        """It is written now, and again then."""
        self._own[own.place] = own._replace(due=due)

    def written(self, place: Place, packed: Packed, is_enough: bool, now: float) -> None:
        """It was, if it is still the one that is to be there. Where too few keep it, it is soon written again; then less soon."""
        own = self._own.get(place)
        if own is None or own.record.encoded != packed.encoded:
            return
        if is_enough:
            self._own[place] = own._replace(again=AGAIN_SECONDS)
        else:
            later = min(2 * own.again, REPUBLISH_SECONDS)
            self._own[place] = own._replace(due=min(own.due, now + own.again), again=later)

    def due(self, now: float, wall: float) -> list[Own]:
        """What is to be written now. Forgets what has expired."""
        self._own = {place: own for place, own in self._own.items() if own.record.expires > wall}
        return [own for own in self if own.due <= now]

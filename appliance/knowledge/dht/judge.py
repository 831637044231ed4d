"""The one place that judges records which members hand over, counts what is wrong with them, and says who did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from appliance.knowledge.dht.ids import ID_BYTES, Id
from appliance.knowledge.dht.store import point_of
from appliance.knowledge.dht.wire import MOST_VALUE, Packed, Type
from appliance.knowledge.effects import Deed
from appliance.knowledge.signed import Fault, Record, RecordRefused, read_record
from appliance.members.row import Digest, Verifier

NEVER: Final = -10.0
"""Points of what no honest member does."""
SMALL: Final = -1.0
SERVICE: Final = 1.0
POINTS: Final = {Fault.EXPIRED: 0.0, Fault.UNKNOWN: 0.0, Fault.FUTURE: 0.0}
"""Of handing over such a record; NEVER for the others. None where a clock, or who has heard of whom, may be the reason."""


class Judge:
    """Of one node."""

    def __init__(self, network: Digest, keys: Callable[[float], Mapping[Digest, bytes]], verify: Verifier) -> None:
        self.network = network
        self.keys = keys
        self.counters: Counter[str] = Counter()
        self.deeds: list[Deed] = []
        self._verify = verify

    def blame(self, member: Digest, what: str, points: float = NEVER) -> None:
        """Count what a member did, and say so if that speaks against it."""
        self.counters[what] += 1
        if points:
            self.deeds.append(Deed(member, what, points))

    def praise(self, member: Digest, what: str) -> None:
        """A member did what it is there for."""
        self.deeds.append(Deed(member, what, SERVICE))

    def read(self, giver: Digest, packed: Packed, wall: float, about: Id | None = None) -> Record | None:
        """The record that a member handed over, if it is valid and about that point."""
        try:
            record = read_record(packed.encoded, packed.type.purpose, self.network, self.keys(wall), wall, self._verify)
        except RecordRefused as refused:
            self.blame(giver, str(refused.reason), POINTS.get(refused.reason, NEVER))
            return None
        if not _is_of_form(packed.type, record):
            self.blame(giver, str(Fault.MALFORMED))
            return None
        if about is not None and point_of(record) != about:
            self.blame(giver, "wrong-key")
            return None
        return record


def _is_of_form(type_: Type, record: Record) -> bool:
    most = MOST_VALUE if type_ is Type.VALUE else 0
    return ID_BYTES <= len(record.content) <= ID_BYTES + most

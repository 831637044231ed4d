"""What a node answers when members ask it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.knowledge.dht.ids import Id
from appliance.knowledge.dht.judge import SMALL, Judge
from appliance.knowledge.dht.store import Store, point_of
from appliance.knowledge.dht.table import Table
from appliance.knowledge.dht.wire import ASKED_BY, K, Kind, Packed, Verdict, pack_answer, read_id, read_records
from appliance.members.row import Digest

RATE: Final = 30.0
"""What one member may ask in a second; a record that is to be kept counts as a question."""
BURST: Final = 600.0
"""At once. Chosen: who publishes all that it may have at one member needs a third of it."""
FAR_RANK: Final = 2 * K
"""A record is not kept if so many members of the table are closer to its key. Chosen: the 20 closest do keep it, even where this
node knows twice as many as who asks. Identities ground to lie around a key do not count: else they keep it from the others."""


class _Allowance(NamedTuple):
    left: float
    at: float


class Answering:
    """One node's."""

    def __init__(self, table: Table, store: Store, judge: Judge) -> None:
        self._table = table
        self._store = store
        self._judge = judge
        self._allowances: dict[Digest, _Allowance] = {}
        self._kinds: dict[str, Callable[[Digest, bytes, float, float], bytes | None]] = {
            Kind.FIND: self._find,
            Kind.VALUE: lambda *question: self._records(Kind.VALUE, *question),
            Kind.PROVIDERS: lambda *question: self._records(Kind.PROVIDERS, *question),
            Kind.STORE: self._keep,
        }

    def answer(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> bytes | None:
        """None: there is no answer."""
        answer = self._kinds.get(kind)
        if answer is None:
            self._judge.blame(member, "unknown-question", 0.0)
            return None
        if not self._may(member, 1, now):
            return None
        return answer(member, body, now, wall)

    def refresh(self, now: float) -> None:
        """Once a minute: forget who asked so little that it may ask all again."""
        self._allowances = {
            member: known for member, known in self._allowances.items() if known.left + RATE * (now - known.at) < BURST
        }

    def _find(self, member: Digest, body: bytes, _now: float, _wall: float) -> bytes | None:
        point = self._point(member, body)
        return None if point is None else pack_answer(self._contacts(point, member))

    def _records(self, kind: Kind, member: Digest, body: bytes, _now: float, wall: float) -> bytes | None:
        point = self._point(member, body)
        if point is None:
            return None
        type_ = ASKED_BY[kind]
        records = self._store.under(type_, point, wall)
        return pack_answer(self._contacts(point, member), [Packed(type_, record.encoded) for record in records])

    def _keep(self, member: Digest, body: bytes, now: float, wall: float) -> bytes | None:
        records = read_records(body)
        if not records:
            self._judge.blame(member, "malformed-question")
            return None
        if not self._may(member, len(records) - 1, now):
            return None
        return bytes(self._verdict(member, packed, now, wall) for packed in records)

    def _verdict(self, member: Digest, packed: Packed, now: float, wall: float) -> Verdict:
        record = self._judge.read(member, packed, wall)
        if record is None:
            return Verdict.REFUSED
        point = point_of(record)
        verdict = Verdict.FAR
        if self._table.credible_rank(point, len(self._judge.keys(wall))) < FAR_RANK:
            verdict = self._store.keep(packed.type, record, now, wall)
        self._judge.counters[f"store-{verdict.name.lower()}"] += 1
        return verdict

    def _point(self, member: Digest, body: bytes) -> Id | None:
        point = read_id(body)
        if point is None:
            self._judge.blame(member, "malformed-question")
        return point

    def _contacts(self, point: Id, asker: Digest) -> list[Digest]:
        return [each.member for each in self._table.closest(point, K, (asker,)) if not each.failures]

    def _may(self, member: Digest, cost: int, now: float) -> bool:
        left, at = self._allowances.get(member, _Allowance(BURST, now))
        left = min(BURST, left + RATE * (now - at))
        may = left >= cost
        self._allowances[member] = _Allowance(left - cost if may else left, now)
        if not may:
            self._judge.blame(member, "asked-too-much", SMALL)
        return may

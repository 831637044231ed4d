"""One member's part in the hash table of its network: a machine of shared knowledge (`knowledge.machine`), family `dht`.

Programs of this host put, get and find; each is a look-up with a number (`searching`), and what became of it stands in
`finished`. Members ask (`answering`), and this node keeps records for them (`store`). Who answers enters the table (`table`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from appliance.knowledge.dht.answering import Answering
from appliance.knowledge.dht.handover import Handover
from appliance.knowledge.dht.ids import BITS, MOST_KEY, Id, key_id, node_id, pack_id, writer_distance
from appliance.knowledge.dht.jobs import Finished, Why
from appliance.knowledge.dht.judge import Judge
from appliance.knowledge.dht.publishing import MOST_OWN, REPUBLISH_SECONDS, Publishing
from appliance.knowledge.dht.searching import DhtRefused, Searching
from appliance.knowledge.dht.store import Store
from appliance.knowledge.dht.table import Contact, Table
from appliance.knowledge.dht.wire import MOST_VALUE, K, Kind, Packed, Type, pack_records, read_records
from appliance.knowledge.effects import Ask, Deed
from appliance.knowledge.signed import MOST_SECONDS, Record, sign_record
from appliance.members.effects import Hold, Release, Say
from appliance.members.row import Digest, Verifier, ed25519_good

REFRESH_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 10.0
"""The first refresh comes within that time."""
REFRESHED: Final = 3
"""Members that are asked at each refresh, those first that were not heard the longest."""
FRESH_SECONDS: Final = 300.0
"""Who was heard since is not asked then."""
SELF_SECONDS: Final = 3600.0
"""So often the own id is looked up once the node has settled: first after a minute, then each time after twice as long."""

SETTLED_SECONDS: Final = 120.0
"""After its start: members that it meets before that are not new, this node is."""


class Dht:
    """One. `own`: this node's identity. `keys`: the members' Ed25519 keys at a time. `sign`: Ed25519 with this node's key.
    `jitter`: a random number in [0, 1)."""

    def __init__(
        self,
        own: Digest,
        network: Digest,
        keys: Callable[[float], Mapping[Digest, bytes]],
        sign: Callable[[bytes], bytes],
        jitter: Callable[[], float],
        now: float,
        verify: Verifier = ed25519_good,
    ) -> None:
        self.said: list[Say] = []
        self.asked: list[Ask] = []
        self.wishes: list[Hold | Release] = []
        self.deeds: list[Deed] = []
        self.finished: list[Finished] = []
        """Look-ups of programs that ended since the driver took them."""
        self.own = own
        self.network = network
        self.id = node_id(network, own)
        self.table = Table(self.id)
        self.store = Store(self.id, partial(writer_distance, network))
        self._sign = sign
        self._jitter = jitter
        self._judge = Judge(network, keys, verify)
        self._answering = Answering(self.table, self.store, self._judge)
        self._searching = Searching(own, self.table, self.store, self._judge, jitter)
        self._publishing = Publishing()
        self._handover = Handover(self.table, self.store)
        self._settled_at = now + SETTLED_SECONDS
        self._refresh_at = now + FIRST_SECONDS * jitter()
        self._self_at = now
        self._self_seconds = REFRESH_SECONDS

    # ---- what programs of this host ask ----

    def put(self, key: bytes, value: bytes, seconds: float, now: float, wall: float) -> int:
        """Write a value, and write it again until it expires. Returns the number of the look-up. Raises DhtRefused."""
        if len(value) > MOST_VALUE:
            raise DhtRefused(f"a value has at most {MOST_VALUE} bytes", hint="put where it is found, not the thing itself")
        return self._write(Type.VALUE, key, value, seconds, now, wall)

    def provide(self, key: bytes, seconds: float, now: float, wall: float) -> int:
        """Say that this node has what `key` names. As `put`."""
        return self._write(Type.PROVIDER, key, b"", seconds, now, wall)

    def withdraw(self, key: bytes, now: float, wall: float) -> None:  # noqa: ARG002
        """Write neither value nor provider of this key again. What members keep of it expires. Raises DhtRefused."""
        point = self._point(key)
        for type_ in Type:
            self._publishing.remove((type_, point))
            held = self.store.get((type_, point), self.own)
            if held is not None:
                self.store.drop(held)

    def get(self, key: bytes, now: float, wall: float) -> int:
        """What all members wrote under a key. Returns the number of the look-up. Raises DhtRefused."""
        return self._look_up(Kind.VALUE, self._point(key), now, wall)

    def providers(self, key: bytes, now: float, wall: float) -> int:
        """Who has what a key names. As `get`."""
        return self._look_up(Kind.PROVIDERS, self._point(key), now, wall)

    def find(self, member: Digest, now: float, wall: float) -> int:
        """Reach a member, and who is near it. As `get`."""
        return self._look_up(Kind.FIND, node_id(self.network, member), now, wall, member)

    def add(self, member: Digest, now: float, wall: float) -> None:
        """It shall be in the table: it is asked, and comes in when it answers."""
        if member != self.own and member in self._judge.keys(wall):
            self._searching.prove(member, now, at_once=True)
            self._gather()

    def remove(self, member: Digest, now: float) -> None:
        """It shall not be in the table. It comes in again when it answers a later question."""
        self._searching.forget(member, now)

    def nodes(self) -> Sequence[Contact]:
        """Who is in the table, the nearest first."""
        return sorted(self.table, key=lambda each: each.id ^ self.id)

    def figures(self) -> Mapping[str, int]:
        """For people and metrics: how much there is of what, and the counters."""
        types = [held.type for held in self.store]
        return {
            "nodes": len(self.table),
            "buckets": self.table.buckets,
            "records": types.count(Type.VALUE),
            "providers": types.count(Type.PROVIDER),
            "bytes": self.store.total_bytes,
            "own": len(self._publishing),
            "lookups": len(self._searching),
            **self._judge.counters,
        }

    def kept(self) -> list[bytes]:
        """Own records and those of others, for `remember` after a restart."""
        own = [b"\1" + pack_records([each.packed]) for each in self._publishing]
        return own + [b"\0" + pack_records([held.packed]) for held in self.store]

    def remember(self, records: Sequence[bytes], now: float, wall: float) -> None:
        """What `kept` gave. What is not valid any more is left out."""
        for each in records:
            for packed in read_records(each[1:]) or ():
                record = self._judge.read(self.own, packed, wall)
                if record is None:
                    continue
                if each[:1] == b"\1" and record.member == self.own:
                    self._publishing.add(packed.type, record, now)
                else:
                    self.store.keep(packed.type, record, now, wall)
        self._judge.deeds.clear()  # nobody is to blame for what is old

    # ---- the machine ----

    def connected(self, member: Digest, now: float) -> None:
        """There is a session with a member."""
        self._searching.there[member] = None
        self._searching.seen(member, now)
        self._gather()

    def gone(self, member: Digest, now: float) -> None:  # noqa: ARG002
        """There is none any more."""
        self._searching.there.pop(member, None)

    def take(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> None:  # noqa: ARG002
        """In this family nothing is said without being asked."""
        self._judge.blame(member, "unknown-message", 0.0)

    def answer(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> bytes | None:
        """A member asks."""
        answer = self._answering.answer(member, kind, body, now, wall)
        if answer is not None:
            self._searching.seen(member, now)
        self._gather()
        return answer

    def answered(self, number: int, body: bytes | None, now: float, wall: float) -> None:
        """What became of a question."""
        self._searching.answered(number, body, now, wall)
        self._after(now, wall)

    def due(self, now: float, wall: float) -> None:
        """Time passed."""
        self._searching.due(now, wall)
        if self._handover.due <= now:
            newcomer, records = self._handover.step(now)
            if records:
                self._searching.ask(newcomer, Kind.STORE, pack_records(records), records=len(records))
        if self._refresh_at <= now:
            self._refresh_at = now + REFRESH_SECONDS * (0.9 + 0.2 * self._jitter())
            self._refresh(now, wall)
        self._after(now, wall)

    def next_due(self) -> float:
        """When `due` wants to be called."""
        return min(self._refresh_at, self._handover.due, self._searching.next_due())

    # ---- what they come to ----

    def _write(self, type_: Type, key: bytes, value: bytes, seconds: float, now: float, wall: float) -> int:
        point = self._point(key)
        if not 1 <= seconds <= MOST_SECONDS:
            raise DhtRefused(f"a record lasts from 1 s to {MOST_SECONDS // 86400} days", hint="put it again before it expires")
        if len(self._publishing) >= MOST_OWN and (type_, point) not in self._publishing:
            raise DhtRefused(f"this node keeps {MOST_OWN} records of its own already", hint="withdraw some")
        written, sequence = int(wall), self._publishing.sequence(wall)
        unsigned = Record(self.network, self.own, sequence, written, written + int(seconds), pack_id(point) + value)
        record = sign_record(unsigned, type_.purpose, self._sign)
        number = self._searching.order(Kind.FIND, Why.ASKED, point, now, wall, store=(Packed(type_, record.encoded),))
        self._publishing.add(type_, record, self._republish_at(now))
        self._gather()
        return number

    def _look_up(self, kind: Kind, target: Id, now: float, wall: float, member: Digest | None = None) -> int:
        number = self._searching.order(kind, Why.ASKED, target, now, wall, member)
        self._gather()
        return number

    def _point(self, key: bytes) -> Id:
        if not 1 <= len(key) <= MOST_KEY:
            raise DhtRefused(f"a key has 1 to {MOST_KEY} bytes", hint="use a hash of what it names")
        return key_id(self.network, key)

    def _republish_at(self, now: float) -> float:
        return now + REPUBLISH_SECONDS * (0.8 + 0.2 * self._jitter())

    def _refresh(self, now: float, wall: float) -> None:
        self._judge.counters["swept"] += self.store.sweep(self._judge.keys(wall), wall)
        self._searching.refresh(now, wall)
        self._answering.refresh(now)
        self._publish(now, wall)
        for contact in list(self.table)[:REFRESHED]:
            if now - contact.heard >= FRESH_SECONDS:
                self._searching.ask(contact.member, Kind.FIND, pack_id(self._somewhere(contact.bucket)))
        if len(self.table) == 0:
            self._self_at, self._self_seconds = now, REFRESH_SECONDS  # as at the beginning
        if self._self_at <= now:
            if len(self.table) > 0:
                self._self_seconds = min(SELF_SECONDS, 2 * self._self_seconds)
            self._self_at = now + self._self_seconds
            self._searching.order(Kind.FIND, Why.REFRESH, self.id, now, wall)
            far = BITS - 1 - int(self._jitter() * (self.table.buckets + 1))
            self._searching.order(Kind.FIND, Why.REFRESH, self._somewhere(far), now, wall)

    def _publish(self, now: float, wall: float) -> None:
        """Write again what is due: own records, and those that this node keeps and that nobody has written for an hour."""
        for own in self._publishing.due(now, wall)[: self._searching.free]:
            self._publishing.writing(own, self._republish_at(now))
            self._searching.order(Kind.FIND, Why.PUBLISH, own.place[1], now, wall, store=(own.packed,))
        since = now - REPUBLISH_SECONDS * (1 + self._jitter())
        for held in self.store.untold(since)[: self._searching.free]:
            self.store.tell(held, now)
            self._searching.order(Kind.FIND, Why.PUBLISH, held.place[1], now, wall, store=(held.packed,))

    def _somewhere(self, bucket: int) -> Id:
        """A random point of a bucket."""
        return self.id ^ (1 << bucket) ^ int(self._jitter() * (1 << bucket))

    def _after(self, now: float, wall: float) -> None:
        """What ended by the last verb."""
        if self._searching.met and self._self_seconds == REFRESH_SECONDS:
            self._self_at = self._refresh_at = now
        for member in self._searching.met if now >= self._settled_at else ():
            self._handover.meet(member, now)
        self._searching.met.clear()
        for job in self._searching.written:
            is_enough = job.stored_at >= min(K, len(self._judge.keys(wall))) / 2
            for packed in job.store:
                place = packed.type, job.lookup.target
                self._publishing.written(place, packed, is_enough, now)
                if not job.is_kept_here:
                    self.store.drop_if(place, packed.encoded)
        self._searching.written.clear()
        self._gather()

    def _gather(self) -> None:
        searching, judge = self._searching, self._judge
        self.asked += searching.asked
        self.finished += searching.finished
        self.deeds += judge.deeds
        searching.asked, searching.finished, judge.deeds = [], [], []

"""The look-ups and questions of a node that are under way, and what their answers do to its table."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from typing import Final, NamedTuple

from appliance.errors import ApplianceError
from appliance.knowledge.dht.ids import Id, node_id, pack_id
from appliance.knowledge.dht.jobs import STORE_SECONDS, Finished, Job, Why
from appliance.knowledge.dht.judge import Judge
from appliance.knowledge.dht.lookup import Lookup
from appliance.knowledge.dht.store import Store
from appliance.knowledge.dht.table import Table
from appliance.knowledge.dht.wire import (
    ASKED_BY,
    K,
    Kind,
    Packed,
    Verdict,
    pack_records,
    read_answer,
    read_verdicts,
)
from appliance.knowledge.effects import Ask
from appliance.members.row import Digest

ANSWER_SECONDS: Final = 3.0
"""How long a member has to answer; a look-up does not wait so long (`lookup.SLOW_SECONDS`)."""
PROVE_SECONDS: Final = 60.0
"""A member that is not in the table is asked for a proof that often at most."""
MOST_PROVED: Final = 20
"""Members asked for a proof from one refresh to the next."""
MOST_RUNNING: Final = 8
MOST_BEHIND: Final = 3
"""Look-ups under way: those that somebody waits for, and those that nobody does."""
MOST_QUESTIONS: Final = 100
"""Questions under way with which no further look-up begins. Chosen: those of the look-ups that have begun stay below the 256 that
a driver asks at a time, also where many members are dead."""
MOST_ORDERED: Final = 2048
STRANGERS: Final = 5
"""Members of the network, drawn among all, at which a look-up begins besides while the table is small, and each one that is made
for the table. So whom a newcomer met first does not decide whom it knows."""


class DhtRefused(ApplianceError):
    """The hash table cannot take what it was asked for."""


class _Order(NamedTuple):
    """A look-up that is to begin."""

    number: int
    kind: Kind
    why: Why
    target: Id
    at: float
    member: Digest | None = None
    store: tuple[Packed, ...] = ()


class _Question(NamedTuple):
    """That is under way."""

    member: Digest
    kind: Kind
    job: int
    """0: of none."""
    records: int = 0
    """How many it is to keep."""


class Searching:
    """One node's. Its driver takes what gathers in `asked`, `finished`, `met` and `written`."""

    def __init__(self, own: Digest, table: Table, store: Store, judge: Judge, jitter: Callable[[], float]) -> None:
        self.asked: list[Ask] = []
        self.finished: list[Finished] = []
        self.met: list[Digest] = []
        """Members that are new in the table."""
        self.written: list[Job] = []
        """Look-ups that had records kept, at their end."""
        self.there: dict[Digest, None] = {}
        """Members with a session."""
        self._own = own
        self._table = table
        self._store = store
        self._judge = judge
        self._jitter = jitter
        self._number = 0
        self._questions: dict[int, _Question] = {}
        self._jobs: dict[int, Job] = {}
        self._ordered: deque[_Order] = deque()
        """Somebody waits for these."""
        self._behind: deque[_Order] = deque()
        self._proved_at: dict[Digest, float] = {}
        """When a member that is not in the table was asked for a proof."""
        self._proofs = MOST_PROVED
        """How many may still be asked for until the next refresh."""

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def free(self) -> int:
        """How many look-ups that nobody waits for may be ordered."""
        return MOST_ORDERED - len(self._behind)

    def order(
        self,
        kind: Kind,
        why: Why,
        target: Id,
        now: float,
        wall: float,
        member: Digest | None = None,
        store: tuple[Packed, ...] = (),
    ) -> int:
        """Look something up, soon. Returns its number. Raises DhtRefused if there is too much to look up already."""
        orders = self._ordered if why is Why.ASKED else self._behind
        if len(orders) >= MOST_ORDERED:
            raise DhtRefused("this node looks up too much at once", hint="wait until some of it is finished")
        self._number += 1
        orders.append(_Order(self._number, kind, why, target, now, member, store))
        number = self._number
        self._begin(now, wall)
        return number

    def seen(self, member: Digest, now: float) -> None:
        """A member is there. It is asked for a proof if the table has room for it: in any case if it is one of the nearest, since
        these must know each other for anything to be found, else if there were not many of late."""
        if member in self._table:
            return
        point = node_id(self._judge.network, member)
        if self._table.has_room(point) and (self._proofs or self._table.is_near(point)):
            self._proofs -= self.prove(member, now) and self._proofs > 0

    def prove(self, member: Digest, now: float, *, at_once: bool = False) -> bool:
        """Ask a member something, so that it shows that it answers. False: it was asked a short time ago.
        `at_once`: ask it even so."""
        if not at_once and now - self._proved_at.get(member, -inf) < PROVE_SECONDS:
            return False
        self._proved_at[member] = now
        self.ask(member, Kind.FIND, pack_id(self._table.own))
        return True

    def forget(self, member: Digest, now: float) -> None:
        """It is no member of the table, and not asked for a while."""
        self._table.remove(member)
        self._proved_at[member] = now

    def ask(self, member: Digest, kind: Kind, body: bytes, job: int = 0, records: int = 0) -> int:
        """A question to a member. Returns its number."""
        self._number += 1
        self._questions[self._number] = _Question(member, kind, job, records)
        self.asked.append(Ask(self._number, member, kind, body, ANSWER_SECONDS))
        return self._number

    # ---- answers ----

    def answered(self, number: int, body: bytes | None, now: float, wall: float) -> None:
        """What became of a question."""
        question = self._questions.pop(number, None)
        if question is None:
            return
        job = self._jobs.get(question.job)
        if job is not None:
            job.storing.discard(number)
        if body is None:
            self._unanswered(question, job, now)
        elif question.kind is Kind.STORE:
            self._take_verdicts(question, job, body, now)
        else:
            self._take_answer(question, job, body, now, wall)
        if job is not None:
            self._go_on(job, now, wall)
        self._begin(now, wall)

    def _unanswered(self, question: _Question, job: Job | None, now: float) -> None:
        self._judge.counters["unanswered"] += 1  # whether that speaks against it its driver knows: it may not have been asked
        self._fail(question, job, now)

    def _fail(self, question: _Question, job: Job | None, now: float) -> None:
        newcomer = self._table.failed(question.member)
        if newcomer is not None:
            self.prove(newcomer, now)
        if job is not None and question.kind is not Kind.STORE:
            job.lookup.failed(question.member)

    def _malformed(self, question: _Question, job: Job | None, now: float) -> None:
        self._judge.blame(question.member, "malformed-answer")
        self.forget(question.member, now)
        self._fail(question, job, now)

    def _take_verdicts(self, question: _Question, job: Job | None, body: bytes, now: float) -> None:
        verdicts = read_verdicts(body, question.records)
        if verdicts is None:
            self._malformed(question, job, now)
            return
        self._heard(question.member, now)
        for verdict in verdicts:
            self._judge.counters[f"told-{verdict.name.lower()}"] += 1
        if job is not None and Verdict.KEPT in verdicts:
            self._judge.praise(question.member, "kept-record")
            job.stored_at += 1

    def _take_answer(self, question: _Question, job: Job | None, body: bytes, now: float, wall: float) -> None:
        answer = read_answer(body, question.kind)
        if answer is None:
            self._malformed(question, job, now)
            return
        self._heard(question.member, now)
        members = self._judge.keys(wall)
        named = [(each, node_id(self._judge.network, each)) for each in answer.contacts if each in members and each != self._own]
        self._judge.counters["unknown-contacts"] += sum(each not in members for each in answer.contacts)
        if job is None or job.lookup.ended:
            return
        job.lookup.answered(question.member, named)
        if answer.records:
            self._take_records(question.member, job, answer.records, wall)
        if question.member == job.member:
            job.lookup.ended = job.is_reached = True
            job.hops = job.lookup.depth(question.member)

    def _take_records(self, member: Digest, job: Job, records: Iterable[Packed], wall: float) -> None:
        valid = set()
        for packed in records:
            record = job.read.get(packed.encoded) or self._judge.read(member, packed, wall, job.lookup.target)
            if record is not None:
                job.found(record)
                valid.add(packed.encoded)
        if valid:
            self._judge.praise(member, "gave-record")
            job.hops = job.hops or job.lookup.depth(member)
            job.voices.append((job.lookup.path(member), frozenset(valid)))
            job.lookup.ended = job.lookup.ended or job.is_agreed()

    def _heard(self, member: Digest, now: float) -> None:
        if self._table.heard(member, node_id(self._judge.network, member), now):
            self.met.append(member)
        self._proved_at.pop(member, None)

    # ---- look-ups ----

    def due(self, now: float, wall: float) -> None:
        """Time passed."""
        for job in list(self._jobs.values()):
            if job.due() <= now:
                self._go_on(job, now, wall)
        self._begin(now, wall)

    def next_due(self) -> float:
        """When `due` wants to be called."""
        return min((job.due() for job in self._jobs.values()), default=inf)

    def refresh(self, now: float, wall: float) -> None:
        """Once a minute: forget who is no member, and when who was asked."""
        members = self._judge.keys(wall)
        for contact in [each for each in self._table if each.member not in members]:
            self._table.remove(contact.member)
        self._proofs = MOST_PROVED
        self._proved_at = {member: at for member, at in self._proved_at.items() if now - at < PROVE_SECONDS}

    def _begin(self, now: float, wall: float) -> None:
        """Look-ups that may."""
        for orders, most, behind in (self._ordered, MOST_RUNNING, False), (self._behind, MOST_BEHIND, True):
            while orders and len(self._questions) < MOST_QUESTIONS and self._running(behind=behind) < most:
                self._start(orders.popleft(), now, wall)

    def _running(self, *, behind: bool) -> int:
        return sum((job.why is not Why.ASKED) is behind for job in self._jobs.values())

    def _start(self, order: _Order, now: float, wall: float) -> None:
        lookup = Lookup(order.target, self._known(order, wall), len(self._judge.keys(wall)), now)
        job = Job(order.number, order.kind, order.why, lookup, order.at, order.member, store=order.store)
        lookup.ended = job.is_reached = order.member == self._own
        type_ = ASKED_BY.get(order.kind)
        if type_ is not None:
            for record in self._store.under(type_, order.target, wall):
                job.found(record)
        self._jobs[job.number] = job
        self._go_on(job, now, wall)

    def _known(self, order: _Order, wall: float) -> list[tuple[Digest, Id]]:
        """Where a look-up begins: in the table, and while that is small, or is to become better, at any members."""
        known = [(each.member, each.id) for each in self._table.closest(order.target, K)]
        if len(self._table) < 2 * K or order.why is Why.REFRESH:
            there = [member for member in self.there if member not in self._table]
            more = dict.fromkeys(there[: max(0, K - len(known))])
            members = list(self._judge.keys(wall))
            for _ in range(STRANGERS if members else 0):
                more[members[int(self._jitter() * len(members))]] = None
            known += [
                (each, node_id(self._judge.network, each)) for each in more if each != self._own and each not in self._table
            ]
        return known

    def _go_on(self, job: Job, now: float, wall: float) -> None:
        if job.number not in self._jobs:
            return
        if not job.until:
            body = pack_id(job.lookup.target)
            for member in job.lookup.next(now):
                self.ask(member, job.kind, body, job.number)
            if not job.lookup.ended:
                return
            if job.store:
                self._have_kept(job, now, wall)
        if not job.storing or job.until <= now:
            self._end(job, now)

    def _have_kept(self, job: Job, now: float, wall: float) -> None:
        """Ask the closest members to keep the records; this node is perhaps one of them."""
        job.until = job.lookup.until + STORE_SECONDS
        closest, target = job.lookup.closest(), job.lookup.target
        job.hops = job.lookup.depth(closest[0]) if closest else 0
        own = self._table.own ^ target
        if len(closest) < K or own < node_id(self._judge.network, closest[-1]) ^ target:
            closest = closest[: K - 1]
            job.is_kept_here = True
            job.stored_at += self._keep_here(job, now, wall)
        body = pack_records(job.store)
        for member in closest:
            job.storing.add(self.ask(member, Kind.STORE, body, job.number, len(job.store)))

    def _keep_here(self, job: Job, now: float, wall: float) -> bool:
        records = [(type_, self._judge.read(self._own, Packed(type_, encoded), wall)) for type_, encoded in job.store]
        return all(record and self._store.keep(type_, record, now, wall) is Verdict.KEPT for type_, record in records)

    def _end(self, job: Job, now: float) -> None:
        del self._jobs[job.number]
        if job.store:
            self.written.append(job)
        if job.why is Why.ASKED:
            self.finished.append(job.finished(now))

"""One member of a network as one machine: its roster, its neighbours, whether they live, and whether the network came apart.

    sessions come and go ─▶ ┌──────────────────────────────────────┐ ─▶ `said`      messages, by family
    messages             ─▶ │ reconciling  neighbours  swim        │ ─▶ `wishes`    whom to hold, release, call
    time                 ─▶ │ suspicions   partition   telling     │ ─▶ `told`      what an admin may want to know
                            └──────────────────────────────────────┘ ─▶ `changed`   members whose rows are others now

Pure: times are arguments (`now` on a clock that only goes forward, `wall` in Unix seconds), and so are randomness and signing.
Whoever drives it calls one verb, takes what gathered in the four lists, and asks `next_due` when to come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.members import neighbours, swim
from appliance.members.claims import CLAIM_BYTES, Claim, claim_of, claims_in, is_signed, sign_claim
from appliance.members.effects import Call, Happening, Say, Told, Wish
from appliance.members.neighbours import Neighbours
from appliance.members.own_row import Facts, OwnRow
from appliance.members.partition import Partition
from appliance.members.reconciling import Reconciling, Statements
from appliance.members.roster import KEY_BYTES, Entry, Roster
from appliance.members.row import DIGEST_BYTES, Digest, Verifier, ed25519_good, head_of
from appliance.members.suspicions import Suspicions
from appliance.members.swim import Swim
from appliance.members.telling import MOST_CLAIMS, SUSPECT, Telling

ROSTER: Final = "roster"
LIVENESS: Final = "liveness"
"""The families of its messages."""
SUMMARY_AGAIN: Final = 0.1
"""Until a summary goes again to a peer that had much news: there may be more."""
ACCUSATIONS: Final = 12
"""Claims of one accuser that are taken in ACCUSATION_SECONDS: a node knows of its own neighbours only."""
ACCUSATION_SECONDS: Final = 60.0
REFRESH_SECONDS: Final = 60.0
"""Between two looks at who is a member: certificates run out by themselves."""
REFRESH_SOON: Final = 0.05
REFRESH_EACH: Final = 0.002
"""The same when statements came; and for each member, since the look before: they come in crowds, and a look takes longer where
there are many."""
SLEPT_SECONDS: Final = 0.5
"""A timer that comes so late says that this node did not run."""


class Tally(StrEnum):
    """What is counted here."""

    MALFORMED = "malformed-message"
    STRANGER = "from-no-member"
    CLAIMS = "claims-taken"
    CLAIMS_FORGED = "claims-forged"
    CLAIMS_MANY = "claims-too-many"
    CONTRADICTED = "contradicted"
    """We were suspected, and wrote a new row."""
    SLEPT = "slept"
    """This node did not run for a while."""


class Standing(StrEnum):
    """What is known of a member."""

    UNKNOWN = "unknown"
    """It has a certificate and no row yet."""
    ALIVE = "alive"
    SUSPECTED = "suspected"
    DEAD = "dead"
    LEFT = "left"


class Outgoing(NamedTuple):
    """A message to a peer."""

    family: str
    say: Say


class Machine:
    """One node in one network."""

    def __init__(
        self,
        own: Digest,
        network: Digest,
        statements: Statements,
        sign: Callable[[bytes], bytes],
        jitter: Callable[[], float],
        now: float,
        wall: float,
        verify: Verifier = ed25519_good,
    ) -> None:
        """`sign`: Ed25519 with this node's key. `jitter`: a random number in [0, 1)."""
        self.own = own
        self.roster = Roster(network, verify)
        self.reconciling = Reconciling(self.roster, statements, jitter)
        self.neighbours = Neighbours(own, self._reserve, self._may_be, jitter, now)
        self.swim = Swim(jitter, now)
        self.suspicions = Suspicions()
        self.partition = Partition(jitter, now)
        self.own_row = OwnRow(own, self.roster, sign)
        self.telling = Telling(self.reconciling, self._there, jitter, now)
        self.said: list[Outgoing] = []
        self.wishes: list[Wish] = []
        self.told: list[Told] = []
        self.changed: list[Digest] = []
        self.counters: Counter[str] = Counter()
        self.avoided: Container[Digest] = frozenset()
        """Members with whom this node has nothing to do: it says neither that they live nor that they do not."""
        self._statements = statements
        self._sign = sign
        self._verify = verify
        self._jitter = jitter
        self._keys: Mapping[Digest, bytes] = {}
        self._others: list[Digest] | None = None
        """Members but this node, in order; None: not known."""
        self._sessions: set[Digest] = set()
        self._seen: set[Digest] = set()
        """Members whose row was here."""
        self._left: set[Digest] = set()
        """Those of them whose last row says that they stopped."""
        self._accused: Counter[Digest] = Counter()
        self._accused_until = now
        self._refresh_at = now + REFRESH_SECONDS
        self._refreshed = now - REFRESH_SECONDS
        self.reconciling.refresh(wall)
        self.reconciling.fresh.clear()
        self._take_members(now, wall)

    # ---- what this node knows ----

    def refresh(self, now: float, wall: float) -> None:
        """The statements are others now, or time passed: who is a member may have changed. Takes milliseconds."""
        self._refreshed, self._refresh_at = now, now + REFRESH_SECONDS
        self.reconciling.refresh(wall)
        self._take_members(now, wall)
        self._after(self.own, now, wall)

    def learn(self, now: float) -> None:
        """There are other statements: look at them soon."""
        wanted = max(now + REFRESH_SOON, self._refreshed + REFRESH_EACH * len(self._keys))
        self._refresh_at = min(self._refresh_at, wanted)

    def remember(self, rows: Sequence[bytes], now: float, wall: float) -> None:
        """Rows of an earlier life; what is no good any more is left out. Among them may be this node's own."""
        for encoded in rows:
            self.reconciling.recall(encoded, wall)
        for entry in self.reconciling.fresh:
            self._take_entry(entry, now)
        self.reconciling.fresh.clear()
        self.told.clear()
        self.own_row.recall(now)

    def renew(self, now: float) -> None:
        """Write a new row even if it says the same: whoever took this node for dead sees that it is not."""
        self.own_row.write_soon(now)

    def publish(self, facts: Facts, now: float) -> None:
        """This is what others are to know of this node."""
        self.own_row.publish(facts, now)

    def leave(self, wall: float, now: float) -> None:
        """This node stops in order: a last row says so, and the neighbours get it at once."""
        self.own_row.facts = self.own_row.facts._replace(leaving=True)
        self._write(now, wall)
        own = self.roster.entry(self.own[:KEY_BYTES])
        for peer in self._there():
            self.reconciling.give(peer, [own] if own is not None else [])
        self._gather(now)

    @property
    def alive(self) -> int:
        """Other members that are not known to be away."""
        return len(self._keys) - (self.own in self._keys) - len(self._away())

    def standing(self, member: Digest) -> Standing:
        """What is known of a member."""
        row = self.roster.rows.get(member)
        if member in self.suspicions.dead:
            return Standing.DEAD
        if row is None:
            return Standing.UNKNOWN
        if row.leaving:
            return Standing.LEFT
        return Standing.SUSPECTED if member in self.suspicions.open else Standing.ALIVE

    def avoid(self, member: Digest, now: float) -> None:
        """It came into `avoided`: its silence is no sign of anything."""
        self.neighbours.forget(member, now)
        self.swim.forget(member)
        self._gather(now)

    # ---- sessions ----

    def connected(self, peer: Digest, now: float) -> None:
        """There is a session with a member; perhaps its certificate is not known here yet, or no more."""
        self._sessions.add(peer)
        if peer in self._keys:
            self._meet(peer, now)
            self._gather(now)

    def gone(self, peer: Digest, now: float) -> None:
        """The last session with it ended."""
        self._sessions.discard(peer)
        self.neighbours.gone(peer, now)
        self.reconciling.forget(peer)
        self.telling.forget(peer)
        if peer in self.neighbours.active:
            self.swim.lost(peer, self._there(), now)
        self._gather(now)

    def take(self, peer: Digest, family: str, kind: str, body: bytes, now: float, wall: float) -> None:
        """A message of a member came. Whatever it is, this does not raise."""
        if peer not in self._keys:
            self.counters[Tally.STRANGER] += 1
            return
        self._alive(peer, now)
        if family == ROSTER:
            if self.reconciling.take(peer, kind, body, now, wall):
                self.telling.say_summary(peer, now + SUMMARY_AGAIN)
            self._after(peer, now, wall)
            if self.reconciling.stale:
                self.learn(now)
        elif not self._take_liveness(peer, kind, body, now):
            self.counters[Tally.MALFORMED] += 1
        self._gather(now)

    def _take_liveness(self, peer: Digest, kind: str, body: bytes, now: float) -> bool:
        if kind == SUSPECT:
            return self._take_claims(peer, body, now)
        if kind == swim.Kind.ASK and body[-DIGEST_BYTES:] in self.avoided:
            return True
        if kind in _SWIM:
            return self.swim.take(peer, kind, body, now, self.neighbours.sessions.__contains__)
        return kind in _NEIGHBOURS and self.neighbours.take(peer, kind, body, now)

    # ---- what was learnt ----

    def _after(self, peer: Digest, now: float, wall: float) -> None:
        """What the roster took is news."""
        fresh, self.reconciling.fresh = self.reconciling.fresh, []
        if not fresh:
            return
        if not all(entry.is_row for entry in fresh):
            self._take_members(now, wall)
        for entry in fresh:
            self._take_entry(entry, now)
            self.telling.tell(entry, peer, now)
        if self.own_row.is_of_an_earlier_life:
            self.own_row.write_soon(now)

    def _take_entry(self, entry: Entry, now: float) -> None:
        if not entry.is_row:
            return
        row = self.roster.rows[head_of(entry.encoded)[1]]
        member = row.member
        if member == self.own:
            return
        self.changed.append(member)
        if row.leaving:
            self._set_out(member, now)
            return
        _, was_dead = self.suspicions.clear(member, row.sequence)
        if was_dead or member in self._left:
            self._take_back(member, now)
        elif member not in self._seen:
            self.told.append(Told(Happening.JOINED, member))
        self._seen.add(member)
        self._left.discard(member)

    def _take_members(self, now: float, wall: float) -> None:
        before, self._keys = self._keys, self._statements.keys(wall)
        if before is self._keys:
            return
        self._others = None
        gone = [member for member in before if member not in self._keys]
        for member in gone:
            self._set_out(member, now)
            self.neighbours.gone(member, now)
            self._left.discard(member)
            self._seen.discard(member)
            self.changed.append(member)
        for member in sorted(self._sessions):
            if member in self._keys and member not in before:
                self._meet(member, now)
        if gone:
            self.suspicions.keep(self._keys)
            self.partition.keep(self._keys)

    def _set_out(self, member: Digest, now: float) -> None:
        """It is not there any more, and nothing is wrong with that."""
        self.suspicions.clear(member)
        self.partition.regain(member)
        self.neighbours.forget(member, now)
        self.swim.forget(member)
        if member in self._seen and member not in self._left:
            self.told.append(Told(Happening.LEFT, member))
        self._left.add(member)

    def _meet(self, peer: Digest, now: float) -> None:
        self.neighbours.connected(peer, now)
        self._alive(peer, now)
        self.reconciling.summary(peer)

    # ---- who lives ----

    def _alive(self, peer: Digest, now: float) -> None:
        """Something authentic came from it."""
        self.swim.heard(peer, now)
        if self.suspicions.clear(peer)[1]:
            self._take_back(peer, now)

    def _take_back(self, member: Digest, now: float) -> None:
        self.told.append(Told(Happening.RETURNED, member))
        if self.partition.regain(member) and self.own_row.was_written_before(self.partition.since):
            self.own_row.write_soon(now)  # the other part takes us for dead

    def _lose(self, member: Digest, now: float) -> None:
        self.told.append(Told(Happening.DIED, member))
        self.neighbours.forget(member, now)
        self.swim.forget(member)
        self.partition.lose(member, self.alive, now)

    def _suspect(self, member: Digest, now: float) -> None:
        row = self.roster.rows.get(member)
        if member in self._keys and self.own in self._keys and not (row is not None and row.leaving):
            sequence = 0 if row is None else row.sequence
            self._accuse(sign_claim(self.roster.network, member, sequence, self.own, self._sign), self.own, now)

    def _take_claims(self, peer: Digest, body: bytes, now: float) -> bool:
        if not body or len(body) % CLAIM_BYTES:
            return False
        for target, sequence, accuser, signature in claims_in(body):
            row = self.roster.rows.get(target)
            if sequence < (0 if row is None else row.sequence) or not self.suspicions.is_news(target, sequence, accuser):
                continue
            if target not in self._keys or accuser not in self._keys or target in self._left:
                continue
            claim = claim_of(target, sequence, accuser, signature)
            if not self._may_accuse(claim.accuser, now):
                self.counters[Tally.CLAIMS_MANY] += 1
                continue
            if not is_signed(claim, self.roster.network, self._keys[claim.accuser], self._verify):
                self.counters[Tally.CLAIMS_FORGED] += 1
                return True
            self.counters[Tally.CLAIMS] += 1
            if claim.target == self.own:
                self._contradict(now)
            else:
                self._accuse(claim, peer, now)
        return True

    def _may_accuse(self, accuser: Digest, now: float) -> bool:
        if now >= self._accused_until:
            self._accused.clear()
            self._accused_until = now + ACCUSATION_SECONDS
        self._accused[accuser] += 1
        return self._accused[accuser] <= ACCUSATIONS

    def _accuse(self, claim: Claim, source: Digest, now: float) -> None:
        if self.suspicions.add(claim, len(self._there()) + 1, now):
            self.told.append(Told(Happening.SUSPECTED, claim.target))
        self.telling.tell_claim(claim, source, now)

    def _contradict(self, now: float) -> None:
        self.counters[Tally.CONTRADICTED] += 1
        self.swim.worse()
        self.own_row.write_soon(now)

    def _write(self, now: float, wall: float) -> None:
        encoded = self.own_row.write(now, wall, may=self.own in self._keys)
        if encoded is not None:
            self.reconciling.recall(encoded, wall)
            self._after(self.own, now, wall)

    # ---- time ----

    def next_due(self) -> float:
        """When `due` wants to be called, on the clock of `now`."""
        due = min(self.own_row.due, self._refresh_at, self.telling.next_due(), self.neighbours.next_due(), self.swim.next_due())
        for part in (self.suspicions, self.partition, self.reconciling):
            wait = part.next_due()
            if wait is not None and wait < due:
                due = wait
        return due

    def due(self, now: float, wall: float) -> None:
        """Time passed."""
        late = now - self.next_due()
        if late > SLEPT_SECONDS:
            self.counters[Tally.SLEPT] += 1
            for part in (self.swim, self.suspicions, self.neighbours):
                part.shift(late)
        if self._refresh_at <= now:
            self.refresh(now, wall)
        self.reconciling.due(now)
        self.neighbours.due(now)
        self.swim.due(now, self._there())
        for member in self.suspicions.expire(now):
            self._lose(member, now)
        if self.partition.is_due(now):
            self.wishes.append(Call(self.partition.due(self.alive, now)))
        if self.own_row.due <= now:
            self._write(now, wall)
        self.telling.due(now)
        self._gather(now)

    def _gather(self, now: float) -> None:
        """Take what the parts want to say and to have done."""
        for member in self.neighbours.gained:
            self.swim.watch(member, now)
            self.telling.say_claims(member, self.suspicions.claims()[:MOST_CLAIMS])
        self.neighbours.gained.clear()
        if self.neighbours.wishes:  # whom it lets go is watched no more
            self.swim.keep(self.neighbours.active)
        for member in self.swim.silent:
            self._suspect(member, now)
        self.swim.silent.clear()
        for family, part in (
            (LIVENESS, self.telling),
            (LIVENESS, self.neighbours),
            (LIVENESS, self.swim),
            (ROSTER, self.reconciling),
        ):
            if part.said:
                self.said += [Outgoing(family, say) for say in part.said]
                part.said.clear()
        for wishing in (self.neighbours, self.swim):
            if wishing.wishes:
                self.wishes += wishing.wishes
                wishing.wishes.clear()
        self.told += self.partition.told
        self.partition.told.clear()

    # ---- members ----

    def _there(self) -> list[Digest]:
        """Neighbours with a session now."""
        return [member for member, since in self.neighbours.active.items() if since is None]

    def _away(self) -> set[Digest]:
        return self._left | self.suspicions.dead.keys()

    def _reserve(self) -> list[Digest]:
        if self._others is None:
            self._others = sorted(member for member in self._keys if member != self.own)
        away = self._away()
        return [member for member in self._others if member not in away and member not in self.avoided]

    def _may_be(self, member: Digest) -> bool:
        there = member in self._keys and member not in self.suspicions.dead and member not in self._left
        return there and member not in self.avoided


_SWIM: Final = frozenset(swim.Kind)
_NEIGHBOURS: Final = frozenset(neighbours.Kind)

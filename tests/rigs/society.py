"""A thousand members in one process and in virtual time: real machines (`members.machine`), and a simple model of sessions.

A session is there while one of both holds it, or for ten seconds after a call. A held one that cannot be had is tried every
1.5 s; the other end notices after 13 s that a member died, as a node does by its KeepAlives. Messages take 20 to 80 ms, and one
in a hundred is lost. A node that sleeps gets nothing and does nothing; what came meanwhile is there when it wakes.

Certificates are modelled by short statements, signed by Ed25519 with one owner's key; who was there from the beginning is known
to all without one. What is checked once in this process, a signature or the form of a row, is not checked again for the next
node: all nodes share that memory, and nothing else.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.api.values import Endpoint
from appliance.errors import ApplianceError
from appliance.members import reconciling, roster
from appliance.members.effects import Call, Happening, Hold, Release, Told
from appliance.members.machine import Machine, Outgoing
from appliance.members.own_row import Facts
from appliance.members.roster import Roster
from appliance.members.row import Digest, EndpointKind, Reachable, ed25519_good, head_of, read_row
from appliance.protocol.digests import sha256
from appliance.testing.network import VirtualClock

NETWORK = sha256(b"the network")
EPOCH = 1_800_000_000
"""The wall's time when the clock says 0."""
NOTICE_SECONDS = 13.0
CALLED_SECONDS = 10.0
RETRY_SECONDS = 1.5
LOSS = 0.01

good = functools.cache(ed25519_good)
SHARED = {
    (roster, "row_entry"): functools.cache(roster.row_entry),
    (roster, "read_row"): functools.cache(read_row),
    (roster, "statement_entry"): functools.cache(roster.statement_entry),
}
SHARED |= {(reconciling, name): SHARED[roster, name] for name in ("row_entry", "statement_entry")}
"""What all nodes of a process remember together, for `monkeypatch`."""


class Owner:
    """Signs who is a member."""

    def __init__(self) -> None:
        self._key = _key("owner")
        self.public = self._key.public_key().public_bytes_raw()

    def admit(self, member: Digest, key: bytes) -> bytes:
        return self._signed(b"admit" + member + key)

    def revoke(self, member: Digest) -> bytes:
        return self._signed(b"exile" + member)

    def _signed(self, said: bytes) -> bytes:
        return said + self._key.sign(said)


class Certified:
    """A model of `Trust`: who is a member, by statements of the owner. A revocation dominates."""

    def __init__(self, owner: bytes, founders: Mapping[Digest, bytes]) -> None:
        self._owner = owner
        self._statements: dict[bytes, None] = {}
        self.revoked: set[Digest] = set()
        self._keys = founders

    def take(self, encoded: bytes, wall: float) -> object:
        said, signature = encoded[:-64], encoded[-64:]
        if not good(self._owner, signature, said):
            raise ApplianceError("forged")
        if said[:5] == b"exile":
            self.revoked.add(said[5:])
        if encoded not in self._statements:
            self._statements[encoded] = None
            if said[:5] == b"exile":
                self._keys = {member: key for member, key in self._keys.items() if member not in self.revoked}
            elif said[5:37] not in self.revoked:
                self._keys = {**self._keys, said[5:37]: said[37:]}
        return None

    def keys(self, wall: float) -> Mapping[Digest, bytes]:
        return self._keys

    def statements(self) -> Iterable[bytes]:
        return self._statements


class Member:
    """One node."""

    def __init__(self, society: Society, number: int) -> None:
        self.society = society
        self.number = number
        self.key = _key(str(number))
        self.public = self.key.public_key().public_bytes_raw()
        self.digest = sha256(b"identity" + self.public)
        self.certificate = b""
        """What it shows to who does not know it; a founder needs none."""
        self.up = False
        self.asleep = False
        self.part = 0
        self.held: set[Digest] = set()
        self.told: list[tuple[float, Told]] = []
        self.kept: list[bytes] = []
        """The rows on its disk."""
        self._waiting: list[tuple[Digest, Outgoing]] = []
        self._due = float("inf")

    def __repr__(self) -> str:
        return f"member {self.number}"

    def start(self, statements: Certified) -> None:
        self.statements = statements
        now, wall = self.society.now, self.society.wall
        draw = self.society.random
        self.machine = Machine(self.digest, NETWORK, statements, self.key.sign, draw.random, now, wall, good)
        self.machine.remember(self.kept, now, wall)
        self.up = True
        self.act()

    def publish(self, port: int) -> None:
        """Say where it can be called."""
        found = Endpoint("udp", f"10.{self.number >> 8}.{self.number & 255}.1", port)
        self.machine.publish(Facts(endpoints=(Reachable(EndpointKind.LOCAL, 0, found),)), self.society.now)
        self.act()

    def leave(self) -> None:
        """It stops in order."""
        self.machine.leave(self.society.wall, self.society.now)
        self.act()
        self.society.clock.call_later(0.1, self.stop)

    def stop(self) -> None:
        """Its process is killed."""
        self.kept = [entry.encoded for entry in self.machine.roster if entry.is_row]
        self.up = False
        self.held.clear()
        self.society.killed(self)

    def learn(self, statement: bytes) -> None:
        self.statements.take(statement, self.society.wall)
        self.machine.refresh(self.society.now, self.society.wall)
        self.act()

    def said(self, what: Happening) -> list[Told]:
        return [told for _, told in self.told if told.what is what]

    # ---- what its world does ----

    def receive(self, peer: Digest, message: Outgoing) -> None:
        if self.asleep:
            self._waiting.append((peer, message))
        elif self.up:
            family, (_, kind, body) = message
            self.society.counters[f"{family}.{kind}"] += 1
            self.society.counters["bytes"] += len(body) + 30
            self.machine.take(peer, family, kind, body, self.society.now, self.society.wall)
            self.act()

    def connected(self, peer: Digest) -> None:
        if self.up:
            self.machine.connected(peer, self.society.now)
            self.act()

    def gone(self, peer: Digest) -> None:
        if self.up:
            self.machine.gone(peer, self.society.now)
            self.act()

    def wake(self) -> None:
        self.asleep = False
        if self.up:
            self.act()
            waiting, self._waiting = self._waiting, []
            for peer, message in waiting:
                self.receive(peer, message)

    def tick(self, when: float) -> None:
        if when != self._due or not self.up or self.asleep:
            return
        self._due = float("inf")
        self.machine.due(self.society.now, self.society.wall)
        self.act()

    def act(self) -> None:
        """Do what the machine wants."""
        machine, society = self.machine, self.society
        said, machine.said = machine.said, []
        for message in said:
            society.send(self, message)
        wishes, machine.wishes = machine.wishes, []
        for wish in wishes:
            match wish:
                case Hold(member):
                    self.held.add(member)
                    society.call(self, member)
                case Release(member):
                    self.held.discard(member)
                    society.let_go(self, member)
                case Call(member):
                    society.call(self, member)
                    society.clock.call_later(CALLED_SECONDS, functools.partial(society.let_go, self, member))
        self.told += [(society.now, told) for told in machine.told]
        machine.told.clear()
        machine.changed.clear()
        due = max(machine.next_due(), society.now)
        if due < self._due or self._due < society.now:
            self._due = due
            society.clock.call_at(due, functools.partial(self.tick, due))


class Society:
    """All of them."""

    def __init__(self, size: int, seed: int = 1) -> None:
        self.clock = VirtualClock(0.0)
        self.random = random.Random(seed)
        self.owner = Owner()
        self.counters: Counter[str] = Counter()
        self.members: dict[Digest, Member] = {}
        self._numbers = count()
        self._sessions: dict[tuple[Digest, Digest], None] = {}
        """Pairs of members; each pair in order."""
        self._trying: set[tuple[Digest, Digest]] = set()
        for _ in range(size):
            self.add()
        self.founders = {member.digest: member.public for member in self}

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members.values())

    @property
    def now(self) -> float:
        return self.clock.now

    @property
    def wall(self) -> float:
        return EPOCH + self.clock.now

    @property
    def up(self) -> list[Member]:
        return [member for member in self if member.up]

    def add(self) -> Member:
        member = Member(self, next(self._numbers))
        self.members[member.digest] = member
        return member

    def found(self) -> None:
        """All founders start, and each has the first row of all others, as after a long time."""
        rows = [self._first_row(member) for member in self]
        pattern = Roster(NETWORK, good)
        pattern.use(self.founders, ())
        for row in rows:
            pattern.take_row(row, self.wall)
        for member in self:
            member.kept = [row for row in rows if head_of(row)[1] == member.digest]
            member.start(Certified(self.owner.public, self.founders))
            roster = member.machine.roster
            roster.rows |= pattern.rows
            roster._buckets = [dict(bucket) for bucket in pattern._buckets]
            roster._stale = set(range(256))
            roster._root = b""
            member.machine._seen |= pattern.rows.keys()

    def _first_row(self, member: Member) -> bytes:
        machine = Machine(
            member.digest,
            NETWORK,
            Certified(self.owner.public, self.founders),
            member.key.sign,
            self.random.random,
            0.0,
            self.wall,
            good,
        )
        machine.publish(Facts(), 0.0)
        machine.due(0.0, self.wall)
        row = machine.roster.row_of(member.digest)
        assert row is not None
        return row

    def join(self, bootstrap: Member) -> Member:
        """A new member comes that knows nobody but one, to whom it shows its certificate."""
        member = self.add()
        member.certificate = self.owner.admit(member.digest, member.public)
        member.start(Certified(self.owner.public, self.founders))
        member.learn(member.certificate)
        member.publish(8443)
        self.call(member, bootstrap.digest)
        return member

    def run(self, seconds: float) -> None:
        limit = self.now + seconds
        while self.clock.advance(limit):
            pass

    def run_until(self, condition: Callable[[], bool], seconds: float, every: float = 0.5) -> float:
        """Let time pass until it holds. Returns how long that took, or infinity."""
        begun = self.now
        while self.now < begun + seconds:
            if condition():
                return self.now - begun
            self.run(every)
        return self.now - begun if condition() else float("inf")

    def agree(self, of: list[Member] | None = None) -> bool:
        """Do all that are up know the same?"""
        return len({member.machine.roster.root() for member in of or self.up}) == 1

    def is_connected(self) -> bool:
        """Is there a way from each to each, by neighbours?"""
        up = self.up
        reached, edge = {up[0].digest}, [up[0]]
        while edge:
            for peer in edge.pop().machine.neighbours.active:
                other = self.members[peer]
                if other.up and peer not in reached:
                    reached.add(peer)
                    edge.append(other)
        return len(reached) == len(up)

    # ---- sessions ----

    def has_session(self, one: Digest, other: Digest) -> bool:
        return _pair(one, other) in self._sessions

    def reach(self, one: Member, other: Member) -> bool:
        return one.up and other.up and one.part == other.part

    def call(self, member: Member, peer: Digest) -> None:
        other = self.members.get(peer)
        if other is None or self.has_session(member.digest, peer) or (member.digest, peer) in self._trying:
            return
        self._trying.add((member.digest, peer))
        self.clock.call_later(0.15, functools.partial(self._called, member, other))

    def _called(self, member: Member, other: Member) -> None:
        pair = _pair(member.digest, other.digest)
        self._trying.discard((member.digest, other.digest))
        if self.reach(member, other) and not other.asleep and self._admits(other, member) and self._admits(member, other):
            if pair not in self._sessions:
                self._sessions[pair] = None
                member.connected(other.digest)
                other.connected(member.digest)
        elif member.up and other.digest in member.held:
            self.clock.call_later(RETRY_SECONDS, functools.partial(self._retry, member, other.digest))

    def _admits(self, one: Member, other: Member) -> bool:
        """A stranger shows its certificate."""
        if other.digest not in one.statements.keys(self.wall) and other.certificate:
            one.learn(other.certificate)
        return other.digest in one.statements.keys(self.wall)

    def _retry(self, member: Member, peer: Digest) -> None:
        if member.up and peer in member.held:
            self.call(member, peer)

    def let_go(self, member: Member, peer: Digest) -> None:
        pair, other = _pair(member.digest, peer), self.members[peer]
        if pair in self._sessions and peer not in member.held and member.digest not in other.held:
            self._sessions.pop(pair, None)
            member.gone(peer)
            other.gone(member.digest)

    def killed(self, member: Member) -> None:
        """Its peers notice later."""
        for pair in [pair for pair in self._sessions if member.digest in pair]:
            (peer,) = set(pair) - {member.digest}
            self.clock.call_later(NOTICE_SECONDS, functools.partial(self._noticed, pair, self.members[peer], member))

    def cut(self, part: Iterable[Member], name: int) -> None:
        """These are on a network of their own from now on."""
        for member in part:
            member.part = name
        for pair in list(self._sessions):
            one, other = (self.members[each] for each in pair)
            if one.part != other.part:
                self.clock.call_later(NOTICE_SECONDS, functools.partial(self._noticed, pair, one, other))
                self.clock.call_later(NOTICE_SECONDS, functools.partial(self._noticed, pair, other, one))

    def _noticed(self, pair: tuple[Digest, Digest], member: Member, lost: Member) -> None:
        if not self.reach(member, lost):
            self._sessions.pop(pair, None)
            member.gone(lost.digest)
            if lost.digest in member.held:
                self._retry(member, lost.digest)

    def send(self, member: Member, message: Outgoing) -> None:
        self.counters["sent"] += 1
        if self.random.random() < LOSS:
            return
        self.clock.call_later(0.02 + 0.06 * self.random.random(), functools.partial(self._arrive, member, message))

    def _arrive(self, member: Member, message: Outgoing) -> None:
        other = self.members[message.say.peer]
        if self.reach(member, other) and self.has_session(member.digest, other.digest):
            other.receive(member.digest, message)


def _key(name: str) -> Ed25519PrivateKey:
    """Always the same key for the same name, so that a run repeats."""
    return Ed25519PrivateKey.from_private_bytes(sha256(name.encode()))


def _pair(one: Digest, other: Digest) -> tuple[Digest, Digest]:
    return min(one, other), max(one, other)

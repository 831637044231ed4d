"""What a relay has promised to whom: reservations and circuits, within limits, each refusal with a reason and counted. Pure.

Peers are names here, times monotonic seconds. A reservation says that its peer may be called over this relay; it lasts for a
while and costs nothing but its place. A circuit counts from the moment it is asked for, so that a hundred attempts at once are
within the limits too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from appliance.members.relays.messages import CircuitRefused, End, Reason
from appliance.protocol.admission import TokenBucket

ATTEMPTS: Final = 2.0
"""Circuits a second that one peer may ask for; as many as MOST_AT_ONCE after a pause."""
ATTEMPTS_AT_ONCE: Final = 32.0
FORGET: Final = 1024
"""Peers whose attempts are counted; the one that was quiet for longest is forgotten first."""
IDLE: Final = 15.0
"""Seconds without a byte after which a circuit gives up its place to another one. Nodes that have found a direct path keep one in
reserve."""
CALLEE_KNOWS: Final = 3.0
CALLER_KNOWS: Final = 7.0
"""Seconds after which a question shows that its peer does not know a circuit. A callee has said yes before there is one, and a
question from before that is 2 s old at most. A caller waits up to 4 s for the answer that tells it, and asks meanwhile."""


class DeskLimits(NamedTuple):
    """Bounds of a relay."""

    reservations: int = 256
    circuits: int = 128
    """In all."""
    circuits_of_a_peer: int = 16
    """As caller or callee."""
    seconds: float = 0.0
    """How long a circuit may last; 0: as long as it is used."""
    bytes: int = 0
    """How much may go through a circuit, both ways together; 0: as much as wanted."""
    rate: int = 0
    """How many bytes a second may go through a circuit each way; 0: as many as can be."""
    reservation_seconds: float = 60.0
    """Renewed by whatever its peer asks."""


@dataclass(slots=True)
class Circuit:
    """Two peers that this node joins, or is about to join."""

    number: str
    caller: str
    callee: str
    since: float
    caller_channel: int
    callee_channel: int = 0
    """0 until it is joined."""
    relays: int = 1
    """Between the two."""
    moved: list[int] = field(default_factory=lambda: [0, 0])
    """Bytes that went through so far: to the caller, and to the callee."""
    lost: int = 0
    """Records that one end did not take in time."""
    active: float = 0.0
    """When something went through last, as far as was told."""
    ends: tuple[str, str] = field(init=False)
    _before: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0), (0, 0)])

    def __post_init__(self) -> None:
        self.ends = (self.caller, self.callee)

    @property
    def bytes(self) -> int:
        """What went through so far, both ways together."""
        return sum(self.moved)

    def count(self, way: int, moved: int, lost: int, now: float) -> None:
        """A worker has counted so much one way (0: to the caller) since it has the circuit. One that was started anew counts from
        0 again."""
        self.active = now
        moved_before, lost_before = self._before[way]
        self._before[way] = moved, lost
        self.moved[way] += moved - moved_before if moved >= moved_before else moved
        self.lost += lost - lost_before if lost >= lost_before else lost

    @property
    def joined(self) -> bool:
        """Do packets go through?"""
        return self.callee_channel != 0


class Desk:
    """The promises of one relay. `counters` has the circuits that were made, and those that ended by why."""

    def __init__(self, limits: DeskLimits) -> None:
        self.limits = limits
        self.counters: Counter[str] = Counter()
        self._reserved: dict[str, float] = {}
        """Until when."""
        self._circuits: dict[str, Circuit] = {}
        self._of: Counter[str] = Counter()
        """Circuits of each peer."""
        self._attempts: dict[str, TokenBucket] = {}

    def __len__(self) -> int:
        return len(self._circuits)

    def __iter__(self) -> Iterator[Circuit]:
        return iter(list(self._circuits.values()))

    @property
    def used(self) -> float:
        """The share of the circuits that are taken, 0 to 1."""
        return min(1.0, len(self._circuits) / max(1, self.limits.circuits))

    # ---- reservations ----

    def reserve(self, peer: str, now: float) -> float:
        """Let `peer` be called over this node from now on, or go on to let it. Returns for how many seconds. Raises
        CircuitRefused."""
        if peer not in self._reserved and len(self._reserved) >= self.limits.reservations:
            self._expire(now)
            if len(self._reserved) >= self.limits.reservations:
                raise CircuitRefused(Reason.FULL)
        self._reserved[peer] = now + self.limits.reservation_seconds
        return self.limits.reservation_seconds

    def reserved(self, peer: str, now: float) -> bool:
        """May `peer` be called?"""
        return self._reserved.get(peer, -1.0) > now

    def reservations(self, now: float) -> int:
        """How many there are."""
        self._expire(now)
        return len(self._reserved)

    def _expire(self, now: float) -> None:
        self._reserved = {peer: until for peer, until in self._reserved.items() if until > now}

    # ---- circuits ----

    def begin(self, circuit: Circuit, now: float) -> list[tuple[Circuit, End]]:
        """A circuit is wanted: keep a place for it. Returns those that have ended for it. Raises CircuitRefused."""
        if not self._may_try(circuit.caller, now):
            raise CircuitRefused(Reason.TOO_FAST)
        if not self.reserved(circuit.callee, now):
            raise CircuitRefused(Reason.NOT_THERE)
        older = next((each for each in self._circuits.values() if each.ends == circuit.ends), None)
        if older is not None and not older.joined:
            raise CircuitRefused(Reason.TOO_FAST)
        ended = {} if older is None else {older.number: End.REPLACED}
        for peer in circuit.ends:
            theirs = [each for each in self if peer in each.ends]
            self._make_room(theirs, self.limits.circuits_of_a_peer, Reason.TOO_MANY, ended, now)
        self._make_room(list(self), self.limits.circuits, Reason.FULL, ended, now)
        gone = [(each, why) for number, why in ended.items() if (each := self.end(number, why)) is not None]
        self._circuits[circuit.number] = circuit
        self._of.update(circuit.ends)
        return gone

    def _make_room(self, circuits: list[Circuit], most: int, reason: Reason, ended: dict[str, End], now: float) -> None:
        """Of these there may be one more: else the idlest is to end, if it is idle. Raises CircuitRefused."""
        left = [each for each in circuits if each.number not in ended]
        if len(left) < most:
            return
        idlest = min((each for each in left if each.joined), key=lambda each: each.active, default=None)
        if idlest is None or now - idlest.active < IDLE:
            raise CircuitRefused(reason)
        ended[idlest.number] = End.IDLE

    def joined(self, circuit: Circuit, channel: int, now: float) -> None:
        """Packets go through from now on."""
        circuit.callee_channel, circuit.since, circuit.active = channel, now, now
        self.counters["circuits"] += 1

    def get(self, number: str) -> Circuit | None:
        """The circuit of that number."""
        return self._circuits.get(number)

    def of(self, peer: str) -> list[Circuit]:
        """Those of a peer through which packets go."""
        return [circuit for circuit in self._circuits.values() if peer in circuit.ends and circuit.joined]

    def withdraw(self, circuit: Circuit) -> None:
        """There will be no such circuit: somebody refused."""
        self._take_out(circuit.number)

    def end(self, number: str, why: End) -> Circuit | None:
        """A circuit is over. None: there is none of that number."""
        circuit = self._take_out(number)
        if circuit is not None:
            self.counters[f"ended-{why}"] += 1
        return circuit

    def _take_out(self, number: str) -> Circuit | None:
        circuit = self._circuits.pop(number, None)
        if circuit is None:
            return None
        self._of.subtract(circuit.ends)
        self._of += Counter()  # those with none are forgotten
        return circuit

    def unknown_to(self, peer: str, known: tuple[str, ...], now: float) -> list[Circuit]:
        """Those of `peer` that it does not know, though it should by now."""
        return [
            each
            for each in self.of(peer)
            if each.number not in known and now - each.since > (CALLEE_KNOWS if peer == each.callee else CALLER_KNOWS)
        ]

    def overdue(self, now: float) -> list[tuple[Circuit, End]]:
        """Those that have used up what they may."""
        seconds, most = self.limits.seconds, self.limits.bytes
        found: list[tuple[Circuit, End]] = []
        for circuit in self._circuits.values():
            if circuit.joined and seconds and now - circuit.since >= seconds:
                found.append((circuit, End.TIME))
            elif most and circuit.bytes >= most:
                found.append((circuit, End.BYTES))
        return found

    def _may_try(self, peer: str, now: float) -> bool:
        bucket = self._attempts.pop(peer, None) or TokenBucket(ATTEMPTS, ATTEMPTS_AT_ONCE, now)
        self._attempts[peer] = bucket
        if len(self._attempts) > FORGET:
            del self._attempts[next(iter(self._attempts))]
        return bucket.take(now)

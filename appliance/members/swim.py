"""Is a neighbour there? SWIM's probes (Das, Gupta, Motivala 2002) with Lifeguard's local health.

    ping, ack        are you there                                    number u32
    ask              I had no answer: ask that member for me          number u32 | target 32
    vouch, deny      it answered me · it does not answer me either    number u32

A neighbour that was silent is pinged; without an answer other neighbours are asked to try; then it is suspected
(`members.suspicions`).

A node that is slow itself must not kill others. It notices by what it waits for: probes that nobody answers raise its health
multiplier, which makes it wait longer and probe less; and when its own timer comes late, it slept, and gives everybody as
much longer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.members.effects import Call, Say, Wish
from appliance.members.row import Digest

PERIOD: Final = 2.0
"""Seconds between two probes of a node, so that no peer is sent more than one packet in two seconds for it."""
FRESH: Final = 6.0
"""A neighbour that was heard since is not probed: of two neighbours usually one asks."""
DIRECT: Final = 1.0
"""How long a ping waits before others are asked. Chosen: three times the worst round trip of a relayed mobile network."""
INDIRECT: Final = 3.0
"""How long these have. Chosen: the answer of a node that slept for two seconds comes in time."""
HELPER_SHARE: Final = 0.8
"""The part of INDIRECT after which a helper says that it had no answer either."""
HELPERS: Final = 3
WORST_HEALTH: Final = 8
MOST_HELPED: Final = 32
"""Probes made for others at a time; and half of them for members that have to be called first."""

_NUMBER: Final = struct.Struct("!I")
_ASK: Final = struct.Struct("!I32s")


class Kind(StrEnum):
    """Its messages, in the family `liveness`."""

    PING = "ping"
    ACK = "ack"
    ASK = "ask"
    VOUCH = "vouch"
    DENY = "deny"


class _Probe:
    """Of one neighbour."""

    __slots__ = ("asked", "denied", "number", "until")

    def __init__(self, number: int, until: float) -> None:
        self.number = number
        self.until = until
        self.asked: set[Digest] | None = None
        """Helpers; None: the neighbour itself has still time."""
        self.denied = 0


class _Help(NamedTuple):
    """A probe for somebody else."""

    asker: Digest
    number: int
    """The asker's."""
    target: Digest
    until: float


class Swim:
    """The failure detector of one node. Whom it finds silent stands in `silent`, until somebody takes note."""

    def __init__(self, jitter: Callable[[], float], now: float) -> None:
        """`jitter`: a random number in [0, 1)."""
        self.said: list[Say] = []
        self.wishes: list[Wish] = []
        self.silent: list[Digest] = []
        self.health = 0
        """0: well. Everything takes 1 + health times as long."""
        self._jitter = jitter
        self._probes: dict[Digest, _Probe] = {}
        self._helped: dict[int, _Help] = {}
        self._heard: dict[Digest, float] = {}
        self._number = int(jitter() * 2**31)
        self._probe_at = now + PERIOD * (0.5 + jitter())

    # ---- who is probed ----

    def watch(self, member: Digest, now: float) -> None:
        """It is a neighbour from now on."""
        self._heard[member] = now

    def forget(self, member: Digest) -> None:
        """It is none any more."""
        self._heard.pop(member, None)
        self._probes.pop(member, None)

    def keep(self, members: Container[Digest]) -> None:
        """Forget all others."""
        for member in [member for member in self._heard if member not in members]:
            self.forget(member)

    def heard(self, member: Digest, now: float) -> None:
        """Something authentic came from it."""
        if member in self._heard:
            self._heard[member] = now
        if self._probes.pop(member, None) is not None:
            self.better()
        for number, help_ in [(number, each) for number, each in self._helped.items() if each.target == member]:
            del self._helped[number]
            self._say(help_.asker, Kind.VOUCH, _NUMBER.pack(help_.number))

    def lost(self, member: Digest, there: Sequence[Digest], now: float) -> None:
        """The last session with a neighbour ended without a word: ask the others at once."""
        if member in self._heard and member not in self._probes:
            self._probes[member] = _Probe(self._next(), now)
            self._ask_others(member, self._probes[member], there, now)

    # ---- messages ----

    def take(self, peer: Digest, kind: str, body: bytes, now: float, connected: Callable[[Digest], bool]) -> bool:
        """A message of a member came. False: it was not of its form."""
        if len(body) != (_ASK.size if kind == Kind.ASK else _NUMBER.size):
            return False
        (number,) = _NUMBER.unpack_from(body)
        match kind:
            case Kind.PING:
                self._say(peer, Kind.ACK, body)
            case Kind.ASK:
                self._help(peer, number, body[_NUMBER.size :], now, connected)
            case Kind.VOUCH:
                self._take_vouch(peer, number, now)
            case Kind.DENY:
                for probe in self._probes.values():
                    if probe.number == number and probe.asked is not None and peer in probe.asked:
                        probe.denied += 1
        return True

    def _take_vouch(self, peer: Digest, number: int, now: float) -> None:
        for member, probe in list(self._probes.items()):
            if probe.number == number and probe.asked is not None and peer in probe.asked:
                del self._probes[member]
                self._heard[member] = now
                self.better()

    def _help(self, asker: Digest, number: int, target: Digest, now: float, connected: Callable[[Digest], bool]) -> None:
        there = connected(target)
        if len(self._helped) >= (MOST_HELPED if there else MOST_HELPED // 2):
            return
        own = self._next()
        self._helped[own] = _Help(asker, number, target, now + HELPER_SHARE * INDIRECT)
        if there:
            self._say(target, Kind.PING, _NUMBER.pack(own))
        else:
            self.wishes.append(Call(target))

    # ---- time ----

    def next_due(self) -> float:
        """When `due` wants to be called."""
        due = self._probe_at
        for waits in (self._probes.values(), self._helped.values()):
            for each in waits:
                due = min(due, each.until)
        return due

    def due(self, now: float, there: Sequence[Digest]) -> None:
        """Time passed. `there`: neighbours with a session now, in a stated order."""
        for number, each in list(self._helped.items()):
            if each.until <= now:
                del self._helped[number]
                self._say(each.asker, Kind.DENY, _NUMBER.pack(each.number))
        for member, probe in list(self._probes.items()):
            if probe.until <= now:
                if probe.asked is None:
                    self._ask_others(member, probe, there, now)
                else:
                    self._fail(member, probe, now)
        if self._probe_at <= now:
            self._probe_at = now + PERIOD * (1 + self.health)
            self._probe(there, now)

    def _probe(self, there: Sequence[Digest], now: float) -> None:
        silent = [member for member in there if member not in self._probes and now - self._heard.get(member, now) >= FRESH]
        if silent:
            member = min(silent, key=lambda member: self._heard[member])
            number = self._next()
            self._probes[member] = _Probe(number, now + DIRECT * (1 + self.health))
            self._say(member, Kind.PING, _NUMBER.pack(number))

    def _ask_others(self, member: Digest, probe: _Probe, there: Sequence[Digest], now: float) -> None:
        others = [each for each in there if each != member]
        probe.asked = set()
        probe.until = now + INDIRECT * (1 + self.health)
        while others and len(probe.asked) < HELPERS:
            helper = others.pop(int(self._jitter() * len(others)))
            probe.asked.add(helper)
            self._say(helper, Kind.ASK, _ASK.pack(probe.number, member))

    def _fail(self, member: Digest, probe: _Probe, now: float) -> None:
        del self._probes[member]
        self._heard[member] = now  # it is probed again in its turn
        assert probe.asked is not None
        if probe.denied < max(1, len(probe.asked)):
            self.worse()  # helpers that answer nothing at all: it may be us
        self.silent.append(member)

    # ---- this node's own health ----

    def better(self) -> None:
        """What we waited for came in time."""
        self.health = max(0, self.health - 1)

    def worse(self) -> None:
        """It did not, or others had no answer from us."""
        self.health = min(WORST_HEALTH, self.health + 1)

    def shift(self, seconds: float) -> None:
        """This node slept: what it waits for may take as much longer."""
        self.worse()
        for probe in self._probes.values():
            probe.until += seconds
        self._helped = {number: each._replace(until=each.until + seconds) for number, each in self._helped.items()}
        self._heard = {member: heard + seconds for member, heard in self._heard.items()}

    def _next(self) -> int:
        self._number = (self._number + 1) % 2**32
        return self._number

    def _say(self, peer: Digest, kind: Kind, body: bytes) -> None:
        self.said.append(Say(peer, kind, body))

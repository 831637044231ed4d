"""A town of members in virtual time: real machines, and a model of questions that take 20 to 80 ms or have no answer."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count

from appliance.knowledge.effects import Ask, Deed
from appliance.knowledge.rendezvous.finding import Found
from appliance.knowledge.rendezvous.machine import Rendezvous
from appliance.knowledge.rendezvous.own import Where
from appliance.members.effects import Hold
from appliance.members.row import Digest
from tests.unit.knowledge.rendezvous.crowd import HERE, NETWORK, WALL, Known, Someone

NO_ANSWER_SECONDS = 5.0
"""After which somebody who asks a dead one knows."""

Lie = Callable[[Digest, str, bytes], bytes | None]
"""(who asks, kind, body): the answer of a liar."""


class Town:
    """Members by name; those in `places` have the role."""

    def __init__(self, names: Iterable[str], places: Iterable[str], seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.people = {name: Someone(name) for name in names}
        self.known = Known(self.people.values(), [self.people[name] for name in places])
        self.machines: dict[str, Rendezvous] = {}
        self.dead: set[str] = set()
        self.liars: dict[str, Lie] = {}
        self.found: dict[tuple[str, int], tuple[Found, float]] = {}
        """By who asked and its number: the answer, and when it came."""
        self.deeds: dict[str, list[Deed]] = {}
        """By who saw them."""
        self.held: dict[str, set[str]] = {}
        self.asked: Counter[str] = Counter()
        """Questions of each."""
        self._names = {someone.digest: name for name, someone in self.people.items()}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._numbers = count(1)
        for name in self.people:
            self.start(name)

    @property
    def wall(self) -> float:
        return WALL + self.now

    def start(self, name: str, known: Known | None = None, remembered: Iterable[bytes] = ()) -> Rendezvous:
        """A fresh process."""
        someone = self.people[name]
        secret = self.random.randbytes(32)
        machine = Rendezvous(someone.digest, NETWORK, known or self.known, someone.sign, secret, self.random.random)
        self.machines[name] = machine
        self.deeds[name], self.held[name] = [], set()
        for each in remembered:
            machine.remember(each, self.now, self.wall)
        self.do(name, lambda: machine.move(Where((HERE,)), self.now, self.wall))
        return machine

    # ---- what somebody does ----

    def register(self, name: str, tag: str, ttl: int = 7200) -> None:
        self.do(name, lambda: self.machines[name].register(tag, ttl, self.now, self.wall))

    def unregister(self, name: str, tag: str) -> None:
        self.do(name, lambda: self.machines[name].unregister(tag, self.now, self.wall))

    def follow(self, name: str, *tags: str) -> None:
        self.do(name, lambda: self.machines[name].follow(tags, self.now, self.wall))

    def learn(self, name: str) -> None:
        self.do(name, lambda: self.machines[name].learn(self.now, self.wall))

    def look(self, name: str, tag: str, most: int = 1000) -> int:
        """Begin to look. Returns the number."""
        number = next(self._numbers)
        self.do(name, lambda: self.machines[name].find(number, tag, most, self.now, self.wall))
        return number

    def find(self, name: str, tag: str, most: int = 1000) -> list[str]:
        """Look, and let time pass until there is an answer."""
        number, limit = self.look(name, tag, most), self.now + 10.0
        while (name, number) not in self.found:
            assert self._step(limit), "a look-up has no end"
        return sorted(self._names[each.member] for each in self.found[name, number][0].registrations)

    def registered_at(self, name: str, tag: str) -> set[str]:
        """The places that have it, as far as the member knows."""
        kept = self.machines[name].own.tags[tag]
        return {self._names[place] for place, at in kept.at.items() if at.sequence >= kept.registration.record.sequence}

    def serving(self, tag: str) -> list[str]:
        """The places of a tag when all are well."""
        choice = type(next(iter(self.machines.values()))._choice)()
        choice.use(self.known.meeting)
        return [self._names[place] for place in choice.serving(tag, self.now)]

    # ---- time ----

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        limit = self.now + seconds
        while self._step(limit):
            pass
        self.now = limit

    def do(self, name: str, verb: Callable[[], object]) -> None:
        """Have a machine do something, and what it then wants."""
        verb()
        machine = self.machines[name]
        for ask in machine.asked:
            self.asked[name] += 1
            self._carry(name, machine, ask)
        machine.asked.clear()
        for found in machine.found:
            self.found[name, found.number] = (found, self.now)
        machine.found.clear()
        self.deeds[name] += machine.deeds
        machine.deeds.clear()
        for wish in machine.wishes:
            (self.held[name].add if isinstance(wish, Hold) else self.held[name].discard)(self._names[wish.member])
        machine.wishes.clear()
        self._at(machine.next_due(), lambda: self._due(name, machine))

    def _due(self, name: str, machine: Rendezvous) -> None:
        if self.machines[name] is machine and name not in self.dead and machine.next_due() <= self.now:
            self.do(name, lambda: machine.due(self.now, self.wall))

    def _carry(self, name: str, machine: Rendezvous, ask: Ask) -> None:
        def answered(body: bytes | None) -> None:
            if self.machines[name] is machine and name not in self.dead:
                self.do(name, lambda: machine.answered(ask.number, body, self.now, self.wall))

        def arrived() -> None:
            place = self._names[ask.peer]
            if place in self.dead:
                self._at(self.now + NO_ANSWER_SECONDS, lambda: answered(None))
                return
            asker = self.people[name].digest
            answers: list[bytes | None] = []
            lie = self.liars.get(place)
            if lie is None:
                there = self.machines[place]
                self.do(place, lambda: answers.append(there.answer(asker, ask.kind, ask.body, self.now, self.wall)))
            else:
                answers.append(lie(asker, ask.kind, ask.body))
            self._at(self.now + self._delay(), lambda: answered(answers[0]))

        self._at(self.now + self._delay(), arrived)

    def _delay(self) -> float:
        return self.random.uniform(0.02, 0.08)

    def _at(self, when: float, what: Callable[[], None]) -> None:
        if when < float("inf"):
            heapq.heappush(self._queue, (max(when, self.now), next(self._order), what))

    def _step(self, limit: float) -> bool:
        if not self._queue or self._queue[0][0] > limit:
            return False
        self.now, _, what = heapq.heappop(self._queue)
        what()
        return True

"""One node's part in rendezvous (`knowledge.machine.Machine`): a meeting place if its certificate says so, and who uses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from appliance.knowledge.effects import Ask, Deed
from appliance.knowledge.rendezvous.asking import Asking
from appliance.knowledge.rendezvous.choice import Choice
from appliance.knowledge.rendezvous.finding import LONGEST, MOST_FOUND, Found, Lookup
from appliance.knowledge.rendezvous.following import Following
from appliance.knowledge.rendezvous.judging import Judging
from appliance.knowledge.rendezvous.own import Own, Where
from appliance.knowledge.rendezvous.place import Place
from appliance.knowledge.rendezvous.registration import RegistrationRefused, head_of, is_tag, read_registration
from appliance.knowledge.rendezvous.who import Who
from appliance.members.effects import Hold, Release, Say
from appliance.members.row import Digest

MOST_HELD: Final = 256
"""Members that are called for their tags at a time."""
MOST_LOOKUPS: Final = 64
"""At a time."""

Sign = Callable[[bytes], bytes]


class Rendezvous:
    """One node's. `secret`: random bytes for cookies; `sign`: Ed25519 with its key; `jitter`: a random number in [0, 1)."""

    def __init__(self, own: Digest, network: Digest, who: Who, sign: Sign, secret: bytes, jitter: Callable[[], float]) -> None:
        self.said: list[Say] = []
        self.asked: list[Ask] = []
        self.wishes: list[Hold | Release] = []
        self.deeds: list[Deed] = []
        self.counters: Counter[str] = Counter()
        self.found: list[Found] = []
        """Lookups that have ended."""
        self.followed_changed = False
        """Is who is registered under followed tags other than when somebody last put this to False?"""
        self.place = Place(network, who, secret)
        self._own, self._network, self._who = own, network, who
        self._choice = Choice()
        self._happened: list[Deed] = []
        self._asking = Asking(own, self._choice, self._here)
        judging = Judging(own, network, who, self.counters, self._happened)
        self._judging = judging
        self.own = Own(network, own, self._asking, self._choice, sign, self.counters, self._happened)
        self.following = Following(self._asking, judging, self._choice, jitter, self._follow_changed)
        self._lookups: dict[int, Lookup] = {}
        self._held: frozenset[Digest] = frozenset()
        """Members that are called for a tag that they are registered under."""
        self._places: frozenset[Digest] = frozenset()
        self._due = 0.0

    # ---- what programs of this host want ----

    def register(self, tag: str, ttl: int, now: float, wall: float) -> None:
        """As `Own.register`."""
        self.own.register(tag, ttl, now, wall)
        self._turn(now, wall)

    def unregister(self, tag: str, now: float, wall: float) -> bool:
        """As `Own.withdraw`."""
        was_there = self.own.withdraw(tag, now, wall)
        self._turn(now, wall)
        return was_there

    def find(self, number: int, tag: str, most: int, now: float, wall: float) -> None:
        """Look who is registered; the answer will be in `found`, with this number, which is the caller's. Raises ValueError for
        what is no tag, OverflowError while there are too many."""
        if not is_tag(tag):
            raise ValueError("no tag")
        if len(self._lookups) >= MOST_LOOKUPS:
            raise OverflowError("too many questions at a time")
        self._turn(now, wall)
        places = self._choice.ranked(tag, now)
        self._lookups[number] = Lookup(
            number, tag, min(most, MOST_FOUND), places, self._asking, self._judging, self._choice, now + LONGEST
        )
        self._turn(now, wall)

    def fix(self, tags: Iterable[str], now: float, wall: float) -> None:
        """As `Own.fix`."""
        self.own.fix(tags, now, wall)
        self._turn(now, wall)

    def follow(self, tags: Iterable[str], now: float, wall: float) -> None:
        """Have sessions with those who are registered under these, from now on."""
        self.following.follow(tags)
        self._turn(now, wall)

    def move(self, where: Where, now: float, wall: float) -> None:
        """This node is called there now."""
        self.own.move(where)
        self._turn(now, wall)

    def remember(self, encoded: bytes, now: float, wall: float) -> None:
        """A registration of before this start: one of this node's, or of others at the place that it is."""
        try:
            if head_of(encoded).member == self._own:
                self.own.remember(read_registration(encoded, self._network, self._who.keys(wall), wall), now, wall)
            elif self.is_place(wall):
                self.place.remember(encoded, wall)
        except RegistrationRefused:
            self.counters["not-remembered"] += 1

    def own_to_keep(self) -> list[bytes]:
        """This node's registrations to remember: not what stands in the profile, which is registered anew."""
        return [kept.registration.encoded for tag, kept in self.own.tags.items() if tag not in self.own.fixed]

    def others_to_keep(self) -> list[bytes]:
        """What others have registered at the place that this node is."""
        return [each.encoded for each in self.place.shelf if each.member != self._own]

    def is_place(self, wall: float) -> bool:
        """Is this node a meeting place?"""
        return self._own in self._who.places(wall)

    def learn(self, now: float, wall: float) -> None:
        """Others are members now than before."""
        self.place.learn(now, wall)
        self.following.learn(self._who.keys(wall), now)
        self._turn(now, wall)

    # ---- knowledge.machine.Machine ----

    def connected(self, member: Digest, now: float) -> None:
        """A place that did not answer may do so now."""
        if member in self._places and self._choice.is_silent(member, now):
            self._choice.answered(member)
            self._due = now

    def gone(self, member: Digest, now: float) -> None:
        """Sessions are made when something is asked."""

    def take(self, _member: Digest, _kind: str, _body: bytes, _now: float, _wall: float) -> None:
        """Nothing is said in rendezvous: all is asked."""
        self.counters["unknown-message"] += 1

    def answer(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> bytes | None:
        """As a meeting place does, if this node is one."""
        if not self.is_place(wall) or member not in self._who.keys(wall):
            self.counters["no-place" if member in self._who.keys(wall) else "no-member"] += 1
            return None
        answer = self.place.answer(member, kind, body, wall)
        self.deeds += self.place.deeds
        self.place.deeds.clear()
        self._due = min(self._due, self.place.next_due(now, wall))
        return answer

    def answered(self, number: int, body: bytes | None, now: float, wall: float) -> None:
        """What became of a question."""
        self._asking.answered(number, body, now, wall)
        self._turn(now, wall)

    def due(self, now: float, wall: float) -> None:
        """Time passed."""
        self._turn(now, wall)

    def next_due(self) -> float:
        """When something is to be done."""
        return self._due

    # ---- each turn ----

    def _turn(self, now: float, wall: float) -> None:
        places = self._who.places(wall)
        if places != self._places:
            self._places = places
            self._choice.use(places)
            self.following.soon(now)
        self.own.due(places, now, wall)
        self.following.due(now, wall)
        self._asking.settle(now, wall)
        self.place.due(now, wall)
        for number, lookup in list(self._lookups.items()):
            if now >= lookup.until:
                lookup.end()
            if lookup.result is not None:
                self.found.append(lookup.result)
                del self._lookups[number]
        if self.followed_changed:
            self._hold(wall)
        self.asked += self._asking.asked
        self._asking.asked.clear()
        self.deeds += (*self._happened, *self.place.deeds)
        self._happened.clear()
        self.place.deeds.clear()
        untils = (lookup.until for lookup in self._lookups.values())
        self._due = min(self.own.next_due(now), self.following.next_due(), self.place.next_due(now, wall), *untils, float("inf"))

    def _hold(self, wall: float) -> None:
        """Sessions with exactly those who are registered under a followed tag."""
        found = self.following.found(wall).values()
        there = {each.member for registrations in found for each in registrations} - {self._own}
        wanted = frozenset(sorted(there, key=lambda member: (member not in self._held, member))[:MOST_HELD])
        self.wishes += (Hold(member) for member in sorted(wanted - self._held))
        self.wishes += (Release(member) for member in sorted(self._held - wanted))
        self._held = wanted

    def _here(self, kind: str, body: bytes, wall: float) -> bytes | None:
        return self.place.answer(self._own, kind, body, wall)

    def _follow_changed(self) -> None:
        self.followed_changed = True

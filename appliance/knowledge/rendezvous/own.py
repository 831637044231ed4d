"""What this node has registered: it is kept at the places that serve each tag, and renewed before it expires."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from appliance.knowledge.effects import Deed
from appliance.knowledge.rendezvous.asking import Asking
from appliance.knowledge.rendezvous.choice import Choice
from appliance.knowledge.rendezvous.messages import REGISTER, NotUnderstood, Status, read_status
from appliance.knowledge.rendezvous.registration import USUAL_SECONDS, Registration, is_tag, sign_registration
from appliance.knowledge.rendezvous.shelf import MOST_OF_MEMBER
from appliance.knowledge.signed import Record
from appliance.members.row import Digest, Reachable

RENEW_AT: Final = 0.5
"""The share of its lifetime after which a registration is renewed: one failure in between costs nothing."""
RENEW_SECONDS: Final = 3600.0
"""After which it is renewed at the latest: a place that has lost it has it again then."""
MOVE_SECONDS: Final = 30.0
"""Least seconds between two registrations of a tag because this node is called elsewhere."""
CLOCK_SECONDS: Final = 60.0
"""This host's clock was set by more than that: what was signed by the one before is signed anew."""
REFUSED_SECONDS: Final = 300.0
"""After which a place that did not take a registration is asked again."""

Sign = Callable[[bytes], bytes]


class Where(NamedTuple):
    """Where this node is called."""

    endpoints: tuple[Reachable, ...] = ()
    relays: tuple[Digest, ...] = ()

    def differs(self, other: Where) -> bool:
        """However long ago each endpoint was seen to work."""
        return self.relays != other.relays or {each.endpoint for each in self.endpoints} != {
            each.endpoint for each in other.endpoints
        }


@dataclass(slots=True)
class At:
    """A registration at one place."""

    sequence: int = -1
    """Of what the place took last; -1: nothing."""
    status: Status | None = None
    """Its last word; None: it did not answer."""
    asked: bool = False
    """A question is under way."""
    not_before: float = 0.0
    """When it may be asked again."""


@dataclass(slots=True)
class Kept:
    """One tag of this node."""

    ttl: int
    registration: Registration
    signed: float
    """When, on the clock that only goes forward."""
    where: Where
    """What it was made of."""
    at: dict[Digest, At] = field(default_factory=dict)
    had_anywhere: bool = False
    """It was withdrawn before this start, and which places had it is not known any more."""

    @property
    def renew_at(self) -> float:
        """When it is signed anew."""
        return self.signed + min(self.ttl * RENEW_AT, RENEW_SECONDS)

    def is_over(self, now: float, wall: float) -> bool:
        """Has it expired? By either clock: who waits for it waits by the one that only goes forward."""
        return self.registration.record.expires <= wall or now >= self.signed + self.ttl

    def is_to_sign(self, where: Where, now: float, wall: float) -> bool:
        """It is time, or this node is called elsewhere, or the host's clock was set since."""
        off = abs((wall - self.registration.record.written) - (now - self.signed)) > CLOCK_SECONDS
        return now >= self.renew_at or (now >= self.signed + MOVE_SECONDS and (off or self.where.differs(where)))


class Own:
    """The tags of this node, at most as many as a place takes of one member."""

    def __init__(
        self,
        network: Digest,
        own: Digest,
        asking: Asking,
        choice: Choice,
        sign: Sign,
        counters: Counter[str],
        deeds: list[Deed],
    ) -> None:
        self.where = Where()
        self.tags: dict[str, Kept] = {}
        """Withdrawn ones are here until their places know it."""
        self.changed = False
        """Is what is to be kept other than when somebody last put this to False?"""
        self._network, self._own = network, own
        self._asking, self._choice, self._sign = asking, choice, sign
        self._counters, self._deeds = counters, deeds
        self._last = 0
        self.fixed: frozenset[str] = frozenset()
        """Tags that stand in the profile."""

    # ---- what programs of this host want ----

    def register(self, tag: str, ttl: int, now: float, wall: float) -> None:
        """Be found under `tag` from now on, and for up to `ttl` seconds after this node ended. Raises ValueError for what is no
        tag, OverflowError for too many."""
        if not is_tag(tag):
            raise ValueError("no tag")
        kept = self.tags.get(tag)
        if (kept is None or kept.registration.withdrawn) and sum(1 for _ in self.live()) >= MOST_OF_MEMBER:
            raise OverflowError("too many tags")
        at = {} if kept is None else kept.at
        self.tags[tag] = Kept(ttl, self._signed(tag, ttl, wall), now, self.where, at)
        self._again(self.tags[tag])

    def withdraw(self, tag: str, now: float, wall: float) -> bool:
        """Be found under it no more. False: it was not registered."""
        kept = self.tags.get(tag)
        if kept is None or kept.registration.withdrawn:
            return False
        kept.registration = self._signed(tag, kept.ttl, wall, withdrawn=True)
        kept.signed = now
        self._again(kept)
        return True

    def fix(self, tags: Iterable[str], now: float, wall: float) -> None:
        """These stand in the profile now; what stood there before and does not any more is withdrawn."""
        before, self.fixed = self.fixed, frozenset(tags)
        for tag in sorted(before - self.fixed):
            self.withdraw(tag, now, wall)
        for tag in sorted(self.fixed - before):
            try:
                self.register(tag, USUAL_SECONDS, now, wall)
            except OverflowError:
                self._counters["own-too-many"] += 1

    def live(self) -> Iterator[tuple[str, Kept]]:
        """What is registered."""
        return ((tag, kept) for tag, kept in self.tags.items() if not kept.registration.withdrawn)

    def remember(self, registration: Registration, now: float, wall: float) -> None:
        """One of before this start: it goes on."""
        record = registration.record
        self._last = max(self._last, record.sequence)
        if registration.tag not in self.tags and len(self.tags) < MOST_OF_MEMBER:
            ttl = record.expires - record.written
            signed = now - max(0.0, wall - record.written)
            where = Where(registration.endpoints, registration.relays)
            self.tags[registration.tag] = Kept(ttl, registration, signed, where, had_anywhere=registration.withdrawn)

    def move(self, where: Where) -> None:
        """This node is called elsewhere."""
        self.where = where

    # ---- time ----

    def due(self, places: frozenset[Digest], now: float, wall: float) -> None:
        """Renew, and have each registration where it belongs."""
        for tag, kept in list(self.tags.items()):
            if kept.registration.withdrawn:
                self._spread_withdrawal(tag, kept, places, now, wall)
                continue
            if kept.is_to_sign(self.where, now, wall):
                kept.registration, kept.signed, kept.where = self._signed(tag, kept.ttl, wall), now, self.where
                self._again(kept)
            for place in kept.at.keys() - places:
                del kept.at[place]
            for place in self._choice.serving(tag, now):
                self._bring(place, kept, now)

    def next_due(self, now: float) -> float:
        """When `due` has something to do, if nothing else happens."""
        times = [self._choice.next_return(now)] if self.tags else []
        for kept in self.tags.values():
            if kept.registration.withdrawn:
                times.append(kept.signed + kept.ttl)
            else:
                times.append(kept.signed + MOVE_SECONDS if kept.where.differs(self.where) else kept.renew_at)
            times += (at.not_before for at in kept.at.values() if at.not_before > now and not at.asked)
        return min(times, default=float("inf"))

    # ---- in between ----

    def _signed(self, tag: str, ttl: int, wall: float, *, withdrawn: bool = False) -> Registration:
        """The sequence is the time, so that it grows over a loss of all that was kept."""
        self._last = max(self._last + 1, int(wall * 1000))
        self.changed = True
        written = int(wall)
        record = Record(self._network, self._own, self._last, written, written + ttl, b"")
        said = Registration(record, tag, withdrawn=True) if withdrawn else Registration(record, tag, *self.where)
        return sign_registration(said, self._sign)

    def _again(self, kept: Kept) -> None:
        for at in kept.at.values():
            at.not_before = 0.0

    def _spread_withdrawal(self, tag: str, kept: Kept, places: frozenset[Digest], now: float, wall: float) -> None:
        """Where it had been taken; then it is forgotten."""
        if kept.had_anywhere and places:
            kept.had_anywhere = False
            kept.at = {place: At(sequence=0) for place in self._choice.serving(tag, now)}
        told = [place for place, at in kept.at.items() if (at.sequence >= 0 or at.asked) and place in places]
        untold = [place for place in told if kept.at[place].sequence < kept.registration.record.sequence]
        if kept.is_over(now, wall) or not (untold or kept.had_anywhere):
            del self.tags[tag]
            self.changed = True
            return
        for place in untold:
            if not self._choice.is_silent(place, now):
                self._bring(place, kept, now)

    def _bring(self, place: Digest, kept: Kept, now: float) -> None:
        at = kept.at.setdefault(place, At())
        registration = kept.registration
        if at.asked or at.sequence >= registration.record.sequence or now < at.not_before:
            return
        at.asked = True
        self._asking.ask(
            place,
            REGISTER,
            registration.encoded,
            lambda body, now, _wall: self._answered(place, at, registration.record.sequence, body, now),
        )

    def _answered(self, place: Digest, at: At, sequence: int, body: bytes | None, now: float) -> None:
        at.asked = False
        at.status = None
        if body is None:
            return
        try:
            at.status = read_status(body)
        except NotUnderstood:
            self._counters["refused-answer"] += 1
            self._deeds.append(Deed(place, "malformed-answer", -1.0))
            self._choice.failed(place, now)
            return
        self._counters[f"own-{at.status.name.lower().replace('_', '-')}"] += 1
        if at.status is Status.OK:
            at.sequence = sequence
        else:
            at.not_before = now + REFUSED_SECONDS

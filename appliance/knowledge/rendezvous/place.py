"""The serving side: a meeting place takes registrations, and tells who is registered under a tag."""

from __future__ import annotations

from collections import Counter
from typing import Final

from appliance.knowledge.effects import Deed
from appliance.knowledge.rendezvous.cookies import Cookies
from appliance.knowledge.rendezvous.messages import (
    FIND,
    MOST_PAGE,
    PAGE_BYTES,
    REGISTER,
    NotUnderstood,
    Page,
    Status,
    pack_page,
    read_find,
)
from appliance.knowledge.rendezvous.registration import (
    Refusal,
    Registration,
    RegistrationRefused,
    head_of,
    read_registration,
)
from appliance.knowledge.rendezvous.shelf import MOST, MOST_OF_MEMBER, Shelf
from appliance.knowledge.rendezvous.who import Who
from appliance.knowledge.signed import Fault
from appliance.members.row import Digest

SWEEP_SECONDS: Final = 60.0
"""Least seconds between two looks at what has expired. What has is told nobody anyway."""
_STATUS: Final = {
    Refusal.FULL: Status.FULL,
    Refusal.TOO_MANY: Status.TOO_MANY,
    Refusal.OLD: Status.OLD,
    Fault.EXPIRED: Status.CLOCK,
    Fault.FUTURE: Status.CLOCK,
}
"""What a member is told. It may be honest; all else has no answer."""
_POINTS: Final = {
    Fault.MALFORMED: -1.0,
    Fault.TOO_LONG: -1.0,
    Fault.FOREIGN: -10.0,
    Fault.FORGED: -10.0,
    Refusal.NOT_OWN: -10.0,
    Refusal.LIFETIME: -1.0,
    Refusal.TOO_MANY: -1.0,
}


class Place:
    """One meeting place. `secret` is for its cookies."""

    def __init__(self, network: Digest, who: Who, secret: bytes, most: int = MOST, most_of_member: int = MOST_OF_MEMBER) -> None:
        self.shelf = Shelf(most, most_of_member)
        self.counters: Counter[str] = Counter()
        self.deeds: list[Deed] = []
        self.changed = False
        """Is what is to be kept other than when somebody last put this to False?"""
        self._network = network
        self._who = who
        self._cookies = Cookies(secret)
        self._swept = float("-inf")

    def answer(self, member: Digest, kind: str, body: bytes, wall: float) -> bytes | None:
        """To a member's question."""
        if kind == REGISTER:
            status = self._register(member, body, wall)
            return None if status is None else bytes((status,))
        if kind == FIND:
            return self._find(member, body, wall)
        self.counters["unknown-question"] += 1
        return None

    def remember(self, encoded: bytes, wall: float) -> None:
        """A registration of the disk counts if it is good still."""
        try:
            self.shelf.put(read_registration(encoded, self._network, self._who.keys(wall), wall))
        except RegistrationRefused:
            self.counters["not-remembered"] += 1

    def due(self, now: float, wall: float) -> None:
        """Drop what is over."""
        if now >= self.next_due(now, wall):
            self.sweep(now, wall)

    def learn(self, now: float, wall: float) -> None:
        """Others are members now."""
        if now >= self._swept + SWEEP_SECONDS:
            self.sweep(now, wall)

    def sweep(self, now: float, wall: float) -> None:
        """Drop what has expired, and what is of no member any more."""
        self._swept = now
        dropped = self.shelf.expire(wall, self._who.keys(wall))
        self.counters["expired"] += dropped
        self.changed = self.changed or dropped > 0

    def next_due(self, now: float, wall: float) -> float:
        """When `due` has something to do."""
        return max(now + self.shelf.first_expiry - wall, self._swept + SWEEP_SECONDS)

    # ---- registering ----

    def _register(self, member: Digest, body: bytes, wall: float) -> Status | None:
        try:
            registration = self._judged(member, body, wall)
            new = self.shelf.put(registration)
        except RegistrationRefused as refused:
            self.counters[f"refused-{refused.reason}"] += 1
            points = _POINTS.get(refused.reason)
            if points is not None:
                self.deeds.append(Deed(member, f"registration-{refused.reason}", points))
            return _STATUS.get(refused.reason)
        self.counters["withdrawn" if registration.withdrawn else "registered"] += new
        self.changed = self.changed or new
        return Status.OK

    def _judged(self, member: Digest, body: bytes, wall: float) -> Registration:
        """Who has no right to bring it costs no signature. Raises RegistrationRefused."""
        if head_of(body).member != member:
            raise RegistrationRefused(Refusal.NOT_OWN)
        return read_registration(body, self._network, self._who.keys(wall), wall)

    # ---- finding ----

    def _find(self, member: Digest, body: bytes, wall: float) -> bytes | None:
        try:
            find = read_find(body)
        except NotUnderstood:
            self.counters["refused-question"] += 1
            self.deeds.append(Deed(member, "malformed-question", -1.0))
            return None
        position = self._cookies.read(find.tag, find.cookie) if find.cookie else 0
        if position is None:
            self.counters["stale-cookie"] += 1
            return pack_page(Page(Status.STALE))
        self.counters["asked"] += 1
        return pack_page(self._page(find.tag, position, min(find.most, MOST_PAGE), wall))

    def _page(self, tag: str, position: int, most: int, wall: float) -> Page:
        """What was withdrawn is told too: another place may have what was there before."""
        members = self._who.keys(wall)
        found: list[bytes] = []
        room, more = PAGE_BYTES, False
        for at, each in self.shelf.since(tag, position):
            if each.record.expires > wall and each.member in members:
                room -= 2 + len(each.encoded)
                more = len(found) >= most or room < 0
                if more:
                    break
                found.append(each.encoded)
            position = at
        return Page(Status.OK, more, self._cookies.make(tag, position), found)

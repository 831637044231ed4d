"""What a meeting place answers is judged before anybody believes it. What was verified once is not verified again."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from appliance.knowledge.effects import Deed
from appliance.knowledge.rendezvous.messages import NotUnderstood, Page, Status, read_page
from appliance.knowledge.rendezvous.registration import Refusal, Registration, RegistrationRefused, read_registration
from appliance.knowledge.rendezvous.who import Who
from appliance.knowledge.signed import Fault
from appliance.members.row import Digest, Verifier, ed25519_good

MOST_REMEMBERED: Final = 1024
"""Registrations whose signatures need not be verified again: 2 MB at most."""
_HARMLESS: Final = frozenset({Fault.EXPIRED, Fault.FUTURE, Fault.UNKNOWN})
"""What an honest place may give on: clocks differ, and so does who is known to be a member."""
_LIES: Final = frozenset({Fault.FOREIGN, Fault.FORGED, Refusal.OTHER_TAG})
"""What no honest place gives on. What has another form may be of another version."""


class Told(NamedTuple):
    """What a place said, as far as it is good."""

    page: Page
    good: tuple[Registration, ...] = ()
    has_unknown: bool = False
    """Some were of nobody whom this node knows to be a member: it may know later."""


class Judging:
    """Of one node. What it has as a meeting place itself was verified when it came."""

    def __init__(self, own: Digest, network: Digest, who: Who, counters: Counter[str], deeds: list[Deed]) -> None:
        self._own = own
        self._network = network
        self._who = who
        self._counters = counters
        self._deeds = deeds
        self._verified: dict[bytes, Registration] = {}

    def page(self, place: Digest, tag: str, body: bytes, wall: float) -> Told | None:
        """None for what is no answer."""
        try:
            page = read_page(body)
        except NotUnderstood:
            self._counters["refused-answer"] += 1
            self._deeds.append(Deed(place, "malformed-answer", -1.0))
            return None
        if page.status is not Status.OK:
            return Told(page)
        good, has_unknown = [], False
        for each in page.registrations:
            try:
                good.append(self._registration(tag, each, wall, _verified_here if place == self._own else ed25519_good))
            except RegistrationRefused as refused:
                self._counters[f"answer-{refused.reason}"] += 1
                if refused.reason not in _HARMLESS:
                    self._deeds.append(Deed(place, f"answer-{refused.reason}", -10.0 if refused.reason in _LIES else -1.0))
                if refused.reason in _LIES:
                    return None  # a place that lies once is not believed in anything
                has_unknown = has_unknown or refused.reason is Fault.UNKNOWN
        return Told(page, tuple(good), has_unknown)

    def _registration(self, tag: str, encoded: bytes, wall: float, verify: Verifier) -> Registration:
        """Raises RegistrationRefused."""
        keys = self._who.keys(wall)
        known = self._verified.get(encoded)
        if known is None:
            known = read_registration(encoded, self._network, keys, wall, verify)
            if len(self._verified) >= MOST_REMEMBERED:
                del self._verified[next(iter(self._verified))]
            self._verified[encoded] = known
        elif known.member not in keys:
            raise RegistrationRefused(Fault.UNKNOWN)
        elif known.record.expires <= wall:
            raise RegistrationRefused(Fault.EXPIRED)
        if known.tag != tag:
            raise RegistrationRefused(Refusal.OTHER_TAG)
        return known


def _verified_here(_key: bytes, _signature: bytes, _said: bytes) -> bool:
    return True

"""Which meeting places serve a tag: all members come to the same ones without a word about it.

Each place has a rank for each tag, by a hash of both (highest random weight: Thaler and Ravishankar, 1998). The first few that
answer serve the tag. One that comes or goes moves the tags for which it was among the first, and no others.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from appliance.members.row import Digest
from appliance.protocol.digests import sha256

SERVING: Final = 3
"""Places of a tag."""
FIRST_SILENCE: Final = 30.0
LONGEST_SILENCE: Final = 600.0
"""Seconds for which a place that did not answer is passed over; doubled each time."""

MOST_REMEMBERED: Final = 256
"""Tags whose order of places is not computed anew each time."""


class Choice:
    """What one node knows of the places."""

    def __init__(self) -> None:
        self._places: frozenset[Digest] = frozenset()
        self._orders: dict[str, tuple[Digest, ...]] = {}
        """The places in the order of their rank, by tag."""
        self._silent: dict[Digest, tuple[float, float]] = {}
        """Places that did not answer: until when they are passed over, and for how long that is."""

    def use(self, places: frozenset[Digest]) -> None:
        """These there are from now on."""
        self._places = places
        self._orders.clear()
        for each in self._silent.keys() - places:
            del self._silent[each]

    def ranked(self, tag: str, now: float) -> list[Digest]:
        """All of them, those that are passed over behind the others."""
        return sorted(self._order(tag), key=lambda each: self.is_silent(each, now))

    def serving(self, tag: str, now: float) -> list[Digest]:
        """The few that the tag's registrations belong to now."""
        return list(islice((each for each in self._order(tag) if not self.is_silent(each, now)), SERVING))

    def is_silent(self, place: Digest, now: float) -> bool:
        """Is it passed over?"""
        return self._silent.get(place, (now, 0.0))[0] > now

    def until(self, place: Digest) -> float:
        """When it is asked again."""
        return self._silent.get(place, (0.0, 0.0))[0]

    def answered(self, place: Digest) -> None:
        """It is there."""
        self._silent.pop(place, None)

    def failed(self, place: Digest, now: float) -> None:
        """It did not answer."""
        until, pause = self._silent.get(place, (now, FIRST_SILENCE / 2))
        if until <= now:  # of several questions that were under way together
            pause = min(2 * pause, LONGEST_SILENCE)
            self._silent[place] = (now + pause, pause)

    def next_return(self, now: float) -> float:
        """When the next of those that are passed over is asked again."""
        return min((until for until, _ in self._silent.values() if until > now), default=float("inf"))

    def _order(self, tag: str) -> tuple[Digest, ...]:
        order = self._orders.get(tag)
        if order is None:
            if len(self._orders) >= MOST_REMEMBERED:
                self._orders.clear()
            said = tag.encode()
            order = self._orders[tag] = tuple(sorted(self._places, key=lambda each: sha256(said + each)))
        return order

"""Tags that this node follows: who is registered under them, kept up to date by asking the places for what is new."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Final

from appliance.knowledge.rendezvous.asking import Asking
from appliance.knowledge.rendezvous.choice import Choice
from appliance.knowledge.rendezvous.finding import MOST_PAGES, merge
from appliance.knowledge.rendezvous.judging import Judging
from appliance.knowledge.rendezvous.messages import FIND, MOST_PAGE, Find, Status, pack_find
from appliance.knowledge.rendezvous.registration import Registration
from appliance.members.row import Digest

EVERY: Final = 60.0
"""Seconds between two questions to each place of a tag; up to a quarter is added, so that nodes do not ask together."""
LEARNT_SECONDS: Final = 2.0
"""From another member to the question whether it is one of those: many that come together are asked about once."""
MOST_FOLLOWED: Final = 256
"""Members of one tag."""


@dataclass(slots=True)
class Followed:
    """One tag."""

    known: dict[Digest, Registration] = field(default_factory=dict)
    """Withdrawn ones too, until they expire."""
    cookies: dict[Digest, bytes] = field(default_factory=dict)
    """By place: what it told so far."""
    next: float = 0.0
    unknown: set[Digest] = field(default_factory=set)
    """Places that told of somebody who is no member as far as this node knows: they are asked from the beginning."""


class Following:
    """`changed()` is called when somebody else is registered than before."""

    def __init__(
        self, asking: Asking, judging: Judging, choice: Choice, jitter: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self.tags: dict[str, Followed] = {}
        self._asking, self._judging, self._choice = asking, judging, choice
        self._jitter = jitter
        self._changed = changed

    def follow(self, tags: Iterable[str]) -> None:
        """These from now on, and no others."""
        self.tags = {tag: self.tags.get(tag) or Followed() for tag in tags}
        self._changed()

    def soon(self, now: float) -> None:
        """There are other places."""
        for followed in self.tags.values():
            followed.next = min(followed.next, now)

    def learn(self, members: Container[Digest], now: float) -> None:
        """These are members now. Who is one no more is forgotten; should it be one again, the places tell of it again."""
        for followed in self.tags.values():
            lost = [member for member in followed.known if member not in members]
            for member in lost:
                del followed.known[member]
            if lost:
                followed.unknown.update(followed.cookies)
                self._changed()
            if followed.unknown:
                followed.next = min(followed.next, now + LEARNT_SECONDS)

    def found(self, wall: float) -> dict[str, list[Registration]]:
        """Who is registered, by tag."""
        return {
            tag: [each for each in followed.known.values() if not each.withdrawn and each.record.expires > wall]
            for tag, followed in self.tags.items()
        }

    def due(self, now: float, wall: float) -> None:
        """Forget what is over, and ask."""
        for tag, followed in self.tags.items():
            over = [member for member, each in followed.known.items() if each.record.expires <= wall]
            for member in over:
                del followed.known[member]
            if over:
                self._changed()
            if now >= followed.next:
                followed.next = now + EVERY * (1 + self._jitter() / 4)
                serving = self._choice.serving(tag, now)
                followed.cookies = {place: cookie for place, cookie in followed.cookies.items() if place in serving}
                for place in followed.unknown:
                    followed.cookies.pop(place, None)
                followed.unknown.clear()
                for place in serving:
                    self._ask(place, tag, followed, MOST_PAGES)

    def next_due(self) -> float:
        """When `due` has something to do."""
        return min((followed.next for followed in self.tags.values()), default=float("inf"))

    def _ask(self, place: Digest, tag: str, followed: Followed, pages: int) -> None:
        question = pack_find(Find(tag, MOST_PAGE, followed.cookies.get(place, b"")))
        self._asking.ask(place, FIND, question, lambda body, now, wall: self._take(place, tag, followed, pages, body, now, wall))

    def _take(self, place: Digest, tag: str, followed: Followed, pages: int, body: bytes | None, now: float, wall: float) -> None:
        if body is None or self.tags.get(tag) is not followed:
            return
        told = self._judging.page(place, tag, body, wall)
        if told is None or told.page.status not in {Status.OK, Status.STALE}:
            self._choice.failed(place, now)
            return
        if told.page.status is Status.STALE:
            if followed.cookies.pop(place, None) is not None:
                self._ask(place, tag, followed, pages - 1)
            return
        followed.cookies[place] = told.page.cookie
        if told.has_unknown:
            followed.unknown.add(place)
        if merge(followed.known, told.good, MOST_FOLLOWED):
            self._changed()
        if told.page.more and told.page.registrations and pages > 1:
            self._ask(place, tag, followed, pages - 1)

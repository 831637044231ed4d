"""Looking who is registered under a tag, once: several places are asked, page by page, and what they say is merged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from appliance.knowledge.rendezvous.asking import Asking
from appliance.knowledge.rendezvous.choice import SERVING, Choice
from appliance.knowledge.rendezvous.judging import Judging
from appliance.knowledge.rendezvous.messages import FIND, MOST_PAGE, Find, Page, Status, pack_find
from appliance.knowledge.rendezvous.registration import Registration
from appliance.members.row import Digest

MOST_FOUND: Final = 1024
"""Members of one answer."""
MOST_PAGES: Final = 2 * MOST_FOUND // MOST_PAGE
"""Of one place for one question: a place that always has more is not followed for ever."""
LONGEST: Final = 8.0
"""Seconds after which what is there by then is the answer."""


class Found(NamedTuple):
    """What came of it."""

    number: int
    registrations: tuple[Registration, ...]
    """One a member, in no particular order."""
    answered: tuple[Digest, ...]
    """Places that told all they have."""
    silent: tuple[Digest, ...]
    """Places that did not answer, or not truly."""


def merge(into: dict[Digest, Registration], registrations: Iterable[Registration], most: int) -> list[Registration]:
    """The newest of each member counts, whoever told it. Returns those that are news. At most so many are kept."""
    news = []
    for each in registrations:
        before = into.get(each.member)
        if before is None and len(into) >= most:
            continue
        if before is None or before.record.sequence < each.record.sequence:
            into[each.member] = each
            news.append(each)
    return news


class Lookup:
    """One. `result` once it has ended."""

    def __init__(
        self,
        number: int,
        tag: str,
        most: int,
        places: list[Digest],
        asking: Asking,
        judging: Judging,
        choice: Choice,
        until: float,
    ) -> None:
        """`places`: in the order in which they are asked."""
        self.until = until
        self.result: Found | None = None
        self._number, self._tag, self._most = number, tag, most
        self._asking, self._judging, self._choice = asking, judging, choice
        self._places = iter(places)
        self._open: dict[Digest, int] = {}
        """Pages so far of places that are being asked."""
        self._answered: list[Digest] = []
        self._silent: list[Digest] = []
        self._found: dict[Digest, Registration] = {}
        for _ in range(SERVING):
            self._ask_next()
        if not self._open:
            self.end()

    def end(self) -> None:
        """What is there is the answer."""
        if self.result is None:
            live = tuple(each for each in self._found.values() if not each.withdrawn)[: self._most]
            self.result = Found(self._number, live, tuple(self._answered), (*self._silent, *self._open))

    def _ask_next(self) -> None:
        place = next(self._places, None)
        if place is not None:
            self._open[place] = 0
            self._ask(place, b"")

    def _ask(self, place: Digest, cookie: bytes) -> None:
        question = pack_find(Find(self._tag, MOST_PAGE, cookie))
        self._asking.ask(place, FIND, question, lambda body, now, wall: self._take(place, body, now, wall))

    def _take(self, place: Digest, body: bytes | None, now: float, wall: float) -> None:
        if self.result is not None:
            return
        told = None if body is None else self._judging.page(place, self._tag, body, wall)
        if told is None or told.page.status is not Status.OK:
            if body is not None:
                self._choice.failed(place, now)
            self._silent.append(place)
            self._ask_next()
        else:
            merge(self._found, told.good, MOST_FOUND)
            self._open[place] += 1
            if self._wants_more(place, told.page):
                self._ask(place, told.page.cookie)
                return
            self._answered.append(place)
        del self._open[place]
        if not self._open:
            self.end()

    def _wants_more(self, place: Digest, page: Page) -> bool:
        return page.more and bool(page.registrations) and self._open[place] < MOST_PAGES and len(self._found) < MOST_FOUND

"""Letters: what the server of a plugin on one member says to the server of that name on another. Pure.

A letter is a request, so it is repeated until it is answered; the answer says whether there is such a server that takes it now.

    body of a request `letters.letter`: length u8, name of the server, content
    answer: u8, 1 taken
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.knowledge.effects import Ask, Deed
from appliance.members.effects import Hold, Release, Say
from appliance.members.row import Digest

LETTER: Final = "letter"
MOST_CONTENT: Final = 12 << 10
"""Bytes of one: a message of a family has 16 KiB in all."""
MOST_NAME: Final = 63
WITHIN: Final = 10.0
"""Seconds for the answer."""
TAKEN: Final = b"\x01"
NEVER: Final = -10.0
"""Points of what no honest member does."""


class Letter(NamedTuple):
    """One that came."""

    box: str
    member: Digest
    content: bytes


class Letters:
    """`takes(box)`: is there a server of that name with room for one more?"""

    def __init__(self, takes: Callable[[str], bool]) -> None:
        self.said: list[Say] = []
        self.asked: list[Ask] = []
        self.wishes: list[Hold | Release] = []
        self.deeds: list[Deed] = []
        self.came: list[Letter] = []
        self.outcomes: list[tuple[int, bool]] = []
        """What became of letters, by their numbers: were they taken?"""
        self.counters: Counter[str] = Counter()
        self._takes = takes
        self._number = 0

    def send(self, box: str, member: Digest, content: bytes) -> int:
        """Send one; its number is in `outcomes` later. Raises ValueError for what nobody would take."""
        name = box.encode()
        if len(content) > MOST_CONTENT or not 0 < len(name) <= MOST_NAME or not name.isascii():
            raise ValueError(f"a letter has {MOST_CONTENT} bytes at most, and a server's name {MOST_NAME} letters in ASCII")
        self._number += 1
        self.counters["sent"] += 1
        self.asked.append(Ask(self._number, member, LETTER, bytes([len(name)]) + name + content, WITHIN))
        return self._number

    def connected(self, member: Digest, now: float) -> None:
        """Nothing is to be said."""

    def gone(self, member: Digest, now: float) -> None:
        """Nothing is kept of it."""

    def take(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> None:
        """There are requests only."""
        del kind, body, now, wall
        self._blame(member)

    def answer(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> bytes | None:
        """A letter came."""
        del now, wall
        size = body[0] if body else 0
        name, content = body[1 : 1 + size], body[1 + size :]
        if kind != LETTER or not 0 < size <= MOST_NAME or len(name) < size or not name.isascii() or len(content) > MOST_CONTENT:
            self._blame(member)
            return None
        box = name.decode()
        if not self._takes(box):
            self.counters["not-taken"] += 1
            return None
        self.counters["came"] += 1
        self.came.append(Letter(box, member, content))
        return TAKEN

    def answered(self, number: int, body: bytes | None, now: float, wall: float) -> None:
        """It was taken, or not."""
        del now, wall
        self.outcomes.append((number, body == TAKEN))

    def due(self, now: float, wall: float) -> None:
        """Nothing waits here."""

    def next_due(self) -> float:
        """Never."""
        return math.inf

    def _blame(self, member: Digest) -> None:
        self.counters["malformed"] += 1
        self.deeds.append(Deed(member, "malformed-letter", NEVER))

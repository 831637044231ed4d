"""Questions to meeting places, and what is to be done with their answers. A node that is a place itself is asked here as well."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from appliance.knowledge.effects import Ask
from appliance.knowledge.rendezvous.choice import Choice
from appliance.members.row import Digest

WITHIN: Final = 5.0
"""Seconds for an answer, once there is a session."""

Then = Callable[[bytes | None, float, float], None]
"""(answer, now, wall)"""


class Asking:
    """Of one node, `own`. `here(kind, body, wall)` answers what it asks itself."""

    def __init__(self, own: Digest, choice: Choice, here: Callable[[str, bytes, float], bytes | None]) -> None:
        self.asked: list[Ask] = []
        self._own = own
        self._choice = choice
        self._here = here
        self._number = 0
        self._open: dict[int, tuple[Digest, Then]] = {}
        self._at_once: deque[tuple[str, bytes, Then]] = deque()

    def ask(self, place: Digest, kind: str, body: bytes, then: Then) -> None:
        """`then` is called once."""
        if place == self._own:
            self._at_once.append((kind, body, then))
            return
        self._number += 1
        self._open[self._number] = place, then
        self.asked.append(Ask(self._number, place, kind, body, WITHIN))

    def answered(self, number: int, body: bytes | None, now: float, wall: float) -> None:
        """What became of a question."""
        place, then = self._open.pop(number, (b"", None))
        if then is None:
            return
        if body is None:
            self._choice.failed(place, now)
        else:
            self._choice.answered(place)
        then(body, now, wall)

    def settle(self, now: float, wall: float) -> None:
        """Answer what is asked here, and what follows from that."""
        while self._at_once:
            kind, body, then = self._at_once.popleft()
            then(self._here(kind, body, wall), now, wall)

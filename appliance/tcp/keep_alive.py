"""Is the peer of a silent connection still there (RFC 9293, 3.8.4)?"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

SILENT: Final = 75.0
"""Seconds after which it is asked. Chosen: a member that vanished is noticed within three minutes."""
EACH: Final = 15.0
"""Seconds between two questions."""
TRIES: Final = 5


class Next(Enum):
    """What is to be done."""

    NOTHING = auto()
    ASK = auto()
    GIVE_UP = auto()


class KeepAlive:
    """The clock of one connection."""

    __slots__ = ("_asked", "_heard_at", "at")

    def __init__(self, now: float) -> None:
        self.at: float | None = None
        """When `due` is to be called."""
        self._heard_at = now
        self._asked = 0

    def begin(self, now: float) -> None:
        """The connection is open."""
        self.at = now + SILENT

    def heard(self, now: float) -> None:
        """The peer is there."""
        self._heard_at, self._asked = now, 0

    def due(self, now: float, *, busy: bool) -> Next:
        """The time has come. `busy`: something is under way, whose timer tells as well."""
        silent = now - self._heard_at
        if busy or silent < SILENT:
            self.at = now + max(SILENT - silent, EACH)
            return Next.NOTHING
        if self._asked >= TRIES:
            return Next.GIVE_UP
        self._asked += 1
        self.at = now + EACH
        return Next.ASK

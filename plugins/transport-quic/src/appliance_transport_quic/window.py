"""How many bytes may be under way: a model of the path in the manner of BBR (draft-ietf-ccwg-bbr). Pure.

Lost packets say little on the lines that LLP is made for, so a window that is halved for each, as qh3's is, carries a tenth of
what fits. The model asks what the path delivers instead: at most twice what it delivered lately in its shortest round trip may be
under way, which is enough to find out that it can do more. While much is lost it is once as much. Every ten seconds the path may
run empty for a moment, to see the round trip without our own queue.
"""

from __future__ import annotations

from collections import deque
from typing import Final

GAIN: Final = 2.0
"""Round trips' worth that may be under way."""
ROUNDS: Final = 10
"""Round trips whose best delivery counts."""
MUCH: Final = 0.15
"""Share of the bytes of a round trip that were lost, from which on the gain is 1."""
EMPTY_EVERY: Final = 10.0
EMPTY_FOR: Final = 0.2
"""Seconds, as BBR has them."""
LEAST: Final = 4 * 1232
"""Bytes that may always be under way."""
MOST: Final = 16 << 20
"""Bytes that may be under way at all: a gigabit over 130 ms."""
SHORTEST_ROUND: Final = 0.005
"""Seconds in which a delivery is measured at least."""


class Window:
    """Of one connection. Times are monotonic seconds, amounts bytes."""

    def __init__(self) -> None:
        self._rates: deque[float] = deque(maxlen=ROUNDS)
        self._trip: float | None = None
        self._trip_at = 0.0
        self._empty_until = 0.0
        self._begun: tuple[float, int, int] | None = None
        self._gain = GAIN

    def note(self, now: float, sent: int, under_way: int, lost: int, trip: float | None) -> None:
        """What is known now: all that was sent and lost so far, what is under way, and the latest round trip."""
        if trip is None:
            return
        self._note_trip(now, trip)
        delivered = sent - under_way - lost
        if self._begun is None or not under_way:
            self._begun = (now, delivered, lost)
            return
        began, before, lost_before = self._begun
        if now - began < max(trip, SHORTEST_ROUND):
            return
        self._begun = (now, delivered, lost)
        self._rates.append(max(0.0, (delivered - before) / (now - began)))
        gone = lost - lost_before
        self._gain = 1.0 if gone > MUCH * (gone + max(0, delivered - before)) else GAIN

    def size(self, now: float, least: int) -> int:
        """Bytes that may be under way. `least`: what QUIC's own window allows."""
        if now < self._empty_until:
            return LEAST
        if self._trip is None or not self._rates:
            return max(least, LEAST)
        return max(LEAST, min(MOST, max(least, int(self._gain * max(self._rates) * self._trip))))

    def _note_trip(self, now: float, trip: float) -> None:
        if self._trip is None or trip <= self._trip or now < self._empty_until:
            self._trip = trip if self._trip is None or now >= self._empty_until else min(self._trip, trip)
            self._trip_at = now
        elif now - self._trip_at > EMPTY_EVERY:
            self._trip, self._trip_at, self._empty_until = trip, now, now + EMPTY_FOR

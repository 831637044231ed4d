"""How often the same may be brought back: at once, then with growing pauses, and after a few rounds not any more. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Final

PAUSES: Final = (0.0, 1.0, 5.0, 20.0, 60.0)
"""Seconds from one repair to the next after so many of the same within WINDOW: long enough for a service that restarts twice,
short enough that a lost route does not wait for an admin."""
WINDOW: Final = 600.0
REMEMBERED: Final = 64


class Repairs:
    """The repairs of the last minutes, with what each of them brought back."""

    def __init__(self) -> None:
        self._rounds: deque[tuple[float, frozenset[str]]] = deque(maxlen=REMEMBERED)

    def tried(self, missing: Collection[str], now: float) -> None:
        """A repair of `missing` begins."""
        self._rounds.append((now, frozenset(missing)))

    def wait(self, missing: Collection[str], now: float) -> float | None:
        """Seconds until `missing` may be brought back; None: it was taken away too often, and is left to the admin."""
        rounds = [when for when, what in self._rounds if when > now - WINDOW and not what.isdisjoint(missing)]
        if len(rounds) >= len(PAUSES):
            return None
        return max(0.0, rounds[-1] + PAUSES[len(rounds)] - now) if rounds else 0.0

"""A circuit breaker: after many failures calls fail at once, until a few probes have shown that it works again. Pure.

closed ──too many failures──▶ open ──its time is over──▶ half-open ──enough probes succeed──▶ closed
                                ▲                             │
                                └─────────a probe fails───────┘
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Circuit(StrEnum):
    """Whether calls are made."""

    CLOSED = "closed"
    """Yes."""
    OPEN = "open"
    """No."""
    HALF_OPEN = "half-open"
    """A few at a time, as probes."""


MOVES: Final = {
    Circuit.CLOSED: {Circuit.OPEN},
    Circuit.OPEN: {Circuit.HALF_OPEN},
    Circuit.HALF_OPEN: {Circuit.CLOSED, Circuit.OPEN},
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a circuit opens, and when it closes again. The figures are chosen, most as Envoy's and resilience4j's defaults."""

    consecutive: int = 5
    """Failures in a row that open it."""
    share: float = 0.5
    """Of the last `window` calls: so many failures open it too, although some succeed between them."""
    window: int = 20
    open_s: float = 5.0
    """How long it stays open the first time. It doubles each time that a probe fails."""
    most_open_s: float = 60.0
    probes: int = 1
    """Calls at a time, and successes wanted, while it is half-open."""


class CircuitBreaker:
    """For calls to one place. Ask `allows` before each call; tell how it ended by exactly one of `succeeded`, `failed`,
    `taken_back`."""

    def __init__(self, thresholds: Thresholds = Thresholds()) -> None:
        self._thresholds = thresholds
        self._state = Circuit.CLOSED
        self._last: deque[bool] = deque(maxlen=thresholds.window)
        self._in_a_row = 0
        self._times_open = 0
        self._until = 0.0
        self._probing = 0
        self._proved = 0
        self.refused = 0
        """Calls that were not allowed."""

    def state(self, now: float) -> Circuit:
        """Whether calls are made at `now`, in seconds of any clock that never goes back."""
        if self._state is Circuit.OPEN and now >= self._until:
            self._move(Circuit.HALF_OPEN)
            self._probing = self._proved = 0
        return self._state

    def allows(self, now: float) -> bool:
        """May a call begin?"""
        state = self.state(now)
        if state is Circuit.OPEN or (state is Circuit.HALF_OPEN and self._probing >= self._thresholds.probes):
            self.refused += 1
            return False
        self._probing += state is Circuit.HALF_OPEN
        return True

    def opens_in(self, now: float) -> float:
        """Seconds until probes are allowed; 0 if calls may be allowed now."""
        return max(0.0, self._until - now) if self.state(now) is Circuit.OPEN else 0.0

    def succeeded(self, now: float) -> None:
        """A call worked."""
        self._in_a_row = 0
        self._last.append(True)
        if self.state(now) is Circuit.HALF_OPEN:
            self._probing = max(0, self._probing - 1)
            self._proved += 1
            if self._proved >= self._thresholds.probes:
                self._move(Circuit.CLOSED)
                self._times_open = 0
                self._last.clear()

    def failed(self, now: float) -> None:
        """A call failed by the fault of the other end, or of the way to it."""
        self._in_a_row += 1
        self._last.append(False)
        state = self.state(now)
        if state is Circuit.HALF_OPEN or (state is Circuit.CLOSED and self._too_many()):
            self._open(now)

    def taken_back(self, now: float) -> None:
        """A call was cancelled, or failed by nobody's fault: it says nothing of the other end."""
        if self.state(now) is Circuit.HALF_OPEN:
            self._probing = max(0, self._probing - 1)

    def _too_many(self) -> bool:
        full = len(self._last) == self._thresholds.window
        share = self._last.count(False) / self._thresholds.window
        return self._in_a_row >= self._thresholds.consecutive or (full and share >= self._thresholds.share)

    def _open(self, now: float) -> None:
        self._move(Circuit.OPEN)
        self._until = now + min(self._thresholds.most_open_s, self._thresholds.open_s * 2 ** min(self._times_open, 32))
        self._times_open += 1

    def _move(self, to: Circuit) -> None:
        assert to in MOVES[self._state]
        self._state = to

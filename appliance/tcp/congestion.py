"""How much may be under way: slow start, CUBIC (RFC 9438) and what a loss costs. In bytes and seconds."""

from __future__ import annotations

from typing import Final

INITIAL_SEGMENTS: Final = 10  # RFC 6928
C: Final = 0.4  # RFC 9438, 5
BETA: Final = 0.7  # RFC 9438, 4.6
ALPHA: Final = 3 * (1 - BETA) / (1 + BETA)  # RFC 9438, 4.3
LEAST_SEGMENTS: Final = 2


class Congestion:
    """The window of one connection. `window` is what may be under way, `threshold` where slow start ends."""

    __slots__ = ("_before", "_began", "_estimate", "_mss", "_origin", "_patience", "threshold", "window")

    def __init__(self, mss: int) -> None:
        self._mss = mss
        self.window = float(INITIAL_SEGMENTS * mss)
        self.threshold = float("inf")
        self._before = 0.0
        """The window before the last loss (W_max)."""
        self._began: float | None = None
        """When congestion avoidance began."""
        self._origin = 0.0
        self._patience = 0.0
        """Seconds until the window is as before the loss (K)."""
        self._estimate = 0.0
        """What Reno would have (W_est)."""

    def acknowledged(self, octets: int, now: float, round_trip: float) -> None:
        """So much was newly acknowledged, while the window was what limits."""
        if self.window < self.threshold:
            self.window += min(octets, max(self.threshold - self.window, self._mss))
            return
        if self._began is None:
            self._begin(now)
        assert self._began is not None
        share = octets / self.window
        self._estimate += (ALPHA if self._estimate < self._before else 1.0) * share * self._mss
        later = now - self._began + round_trip - self._patience
        target = self._origin + C * later**3 * self._mss
        target = min(max(target, self.window), 1.5 * self.window)
        self.window = max(self.window + (target - self.window) * min(share, 1.0), self._estimate)

    def _begin(self, now: float) -> None:
        self._began = now
        self._estimate = self.window
        self._origin = max(self._before, self.window)
        self._patience = ((self._origin - self.window) / self._mss / C) ** (1 / 3)

    def lost(self, under_way: int) -> None:
        """Something was lost, as later segments that arrived say."""
        window = min(self.window, float(max(under_way, self._mss)))
        self._before = window * (1 + BETA) / 2 if window < self._before else window  # RFC 9438, 4.7: fast convergence
        self.threshold = max(window * BETA, float(LEAST_SEGMENTS * self._mss))
        self.window = self.threshold
        self._began = None

    def timed_out(self, under_way: int, *, again: bool) -> None:
        """Nothing is known to arrive. `again`: it is the same loss as last time (RFC 5681, 3.1)."""
        if not again:
            self.lost(under_way)
        self.window = float(self._mss)
        self._began = None

    def rested(self) -> None:
        """Nothing was under way for a while: what the path takes now is not known (RFC 5681, 4.1)."""
        self.window = min(self.window, float(INITIAL_SEGMENTS * self._mss))
        self._began = None

    def resize(self, mss: int) -> None:
        """Segments are smaller from now on."""
        self._mss = mss

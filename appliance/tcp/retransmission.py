"""When to send again (RFC 6298). In seconds."""

from __future__ import annotations

from typing import Final

FIRST: Final = 1.0  # RFC 6298, 2.1
LEAST: Final = 0.2
"""Chosen, as Linux has it: the standard's second was for clocks that tick twice in it."""
MOST: Final = 60.0  # RFC 6298, 2.5
GRANULARITY: Final = 0.001


class RetransmissionTimer:
    """`timeout` by the round trips that were seen, doubled by each time that it ran out."""

    __slots__ = ("_base", "_doubled", "_variation", "round_trip")

    def __init__(self) -> None:
        self.round_trip = 0.0
        """Smoothed; 0: none was measured yet."""
        self._variation = 0.0
        self._base = FIRST
        self._doubled = 0

    @property
    def timeout(self) -> float:
        """How long to wait for an acknowledgement."""
        return min(self._base * (1 << self._doubled), MOST)

    @property
    def doubled(self) -> int:
        """How often it ran out since something was acknowledged."""
        return self._doubled

    def measured(self, seconds: float) -> None:
        """A round trip of a segment that was sent once (RFC 6298, 3), or by its timestamp."""
        if self.round_trip:
            self._variation = 0.75 * self._variation + 0.25 * abs(self.round_trip - seconds)
            self.round_trip = 0.875 * self.round_trip + 0.125 * seconds
        else:
            self.round_trip, self._variation = max(seconds, 1e-6), seconds / 2
        self._base = min(max(self.round_trip + max(GRANULARITY, 4 * self._variation), LEAST), MOST)

    def ran_out(self) -> None:
        """Wait twice as long next time (RFC 6298, 5.5)."""
        self._doubled = min(self._doubled + 1, 16)

    def progressed(self) -> None:
        """Something new was acknowledged."""
        self._doubled = 0

"""What both sides of a connection say of the time (RFC 7323): for round trips, and so that old segments are known as such."""

from __future__ import annotations

from typing import Final

from appliance.tcp.segment import STAMP_BYTES, stamp_option

PAWS_SECONDS: Final = 24 * 86400.0  # RFC 7323, 5.5
MOST_MILLISECONDS: Final = 600_000
"""A longer round trip is believed of nobody."""


class Timestamps:
    """Those of one connection. They begin anywhere (`offset`), so that nobody learns how long this node has been up
    (RFC 7323, 5.4)."""

    __slots__ = ("_echo_at", "_offset", "echo", "used")

    def __init__(self, offset: int, now: float) -> None:
        self._offset = offset
        self.used = False
        """Do both sides want them?"""
        self.echo = 0
        """The peer's newest (TS.Recent)."""
        self._echo_at = now

    def agree(self, stamp: int, now: float) -> None:
        """The peer's SYN says this; -1: nothing."""
        self.used = stamp >= 0
        self.heard(max(stamp, 0), now)

    def heard(self, stamp: int, now: float) -> None:
        """The peer says this in a segment that is not ahead of what is expected (RFC 7323, 4.3); -1: nothing."""
        if stamp >= 0:
            self.echo, self._echo_at = stamp, now

    def is_old(self, stamp: int, now: float) -> bool:
        """Is a segment with this older than what came before (RFC 7323, 5)?"""
        known = self.used and stamp >= 0
        return known and (stamp - self.echo & 0xFFFFFFFF) > 0x7FFFFFFF and now - self._echo_at < PAWS_SECONDS

    def stamp(self, now: float) -> int:
        """Ours: in milliseconds."""
        return int(now * 1000) + self._offset & 0xFFFFFFFF

    def round_trip(self, echo: int, now: float) -> float | None:
        """Seconds since we said what a peer echoes; None if that cannot be."""
        milliseconds = self.stamp(now) - echo & 0xFFFFFFFF
        return milliseconds / 1000 if self.used and echo and milliseconds < MOST_MILLISECONDS else None

    def option(self, now: float) -> bytes:
        """What each segment says."""
        return stamp_option(self.stamp(now), self.echo) if self.used else b""

    @property
    def option_bytes(self) -> int:
        """How long that is."""
        return STAMP_BYTES if self.used else 0

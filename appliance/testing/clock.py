"""A clock that a test owns."""

from __future__ import annotations


class ManualClock:
    """Time that passes only when it is told to. `now` is in seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """What `foundation.clock.monotonic` would say."""
        return self.now

    def advance(self, seconds: float) -> float:
        """Let time pass. Returns the new time."""
        assert seconds >= 0, "time does not go backwards"
        self.now += seconds
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Return at once, with the time gone by."""
        self.advance(seconds)

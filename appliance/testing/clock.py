"""A clock that a test owns."""

from __future__ import annotations


class ManualClock:
    """Time that passes only when it is told to. `now` is in seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time, in the place of `foundation.clock.monotonic`."""
        return self.now

    def advance(self, seconds: float) -> float:
        """Let time pass. Returns the new time."""
        assert seconds >= 0, "time does not go backwards"
        self.now += seconds
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass, and return at once."""
        self.advance(seconds)

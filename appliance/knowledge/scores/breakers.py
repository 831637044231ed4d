"""A circuit breaker for each member: one that did not answer several times in a row is not asked for a while, and then once, to
see whether it answers again. Pure; members that answer cost nothing.

    closed ──failures in a row──▶ open ──its time is over──▶ one probe ──it answers──▶ closed
                                    ▲                            │
                                    └────────it does not─────────┘
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from appliance.members.row import Digest

FAILURES: Final = 3
"""In a row, that open it."""
FIRST_SECONDS: Final = 10.0
MOST_SECONDS: Final = 300.0
"""For how long: at first, doubled with each probe that fails, at most."""
PROBE_SECONDS: Final = 60.0
"""After so long a probe of which nobody heard counts as none."""
MOST: Final = 1024
"""Members that fail. Of more the one goes that failed first: it is asked once more."""


@dataclass(slots=True)
class _Failing:
    failures: int = 0
    until: float = 0.0
    """Not asked before."""


class Breakers:
    """Those of one node. Ask `allows` before each question; then tell `answered` or `failed`, or nothing if it says nothing of
    the member."""

    def __init__(self) -> None:
        self._failing: dict[Digest, _Failing] = {}
        self.refused = 0
        """Questions that were not allowed."""

    def allows(self, member: Digest, now: float) -> bool:
        """May it be asked now?"""
        failing = self._failing.get(member)
        if failing is None or failing.failures < FAILURES:
            return True
        if now < failing.until:
            self.refused += 1
            return False
        failing.until = now + PROBE_SECONDS  # this one is the probe
        return True

    def is_open(self, member: Digest, now: float) -> bool:
        """Would it not be asked? Nothing changes by this."""
        failing = self._failing.get(member)
        return failing is not None and failing.failures >= FAILURES and now < failing.until

    def open(self, now: float) -> int:
        """How many would not be asked."""
        return sum(self.is_open(member, now) for member in self._failing)

    def answered(self, member: Digest) -> None:
        """It did, or said that it has no answer."""
        self._failing.pop(member, None)

    def failed(self, member: Digest, now: float) -> None:
        """It did not, or could not be reached."""
        failing = self._failing.get(member)
        if failing is None:
            if len(self._failing) >= MOST:
                del self._failing[next(iter(self._failing))]
            failing = self._failing[member] = _Failing()
        failing.failures += 1
        if failing.failures >= FAILURES:
            failing.until = now + min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(failing.failures - FAILURES, 16))

    def met(self, member: Digest, now: float) -> None:
        """There is a new session with it: it may be asked at once, as a probe."""
        failing = self._failing.get(member)
        if failing is not None:
            failing.until = min(failing.until, now)

"""What one member did, by reason: how often, when, and how much of it still counts. Pure.

A deed's points fade by half in HALF_LIFE. The value of a history is between WORST and BEST:

    value  =  what speaks for it, at most BEST
           -  small faults, at most SMALL_MOST      a bad line, a slow host: they make a member doubtful, and never block it
           -  grave faults                          what no honest member does
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BEST: Final = 100.0
WORST: Final = -100.0
HALF_LIFE: Final = 3600.0
"""Seconds. Chosen: a bad hour of a line is forgotten after an evening, and whoever forges is still known after a night."""
MOST_POINTS: Final = 30.0
"""Of one deed, for or against: no single one decides."""
GRAVE: Final = -5.0
"""A deed with so many points, or fewer, is none of an honest member."""
SMALL_MOST: Final = 50.0
GRAVE_MOST: Final = 250.0
"""What grave faults may add up to: more is not remembered longer."""
MOST_REASONS: Final = 12
"""Of one member. Further ones are counted as OTHER."""
OTHER: Final = "other"
LEAST: Final = 0.05
"""Points that no longer count."""


class Standing(StrEnum):
    """What a value means. It changes at one threshold and changes back at another, so that it does not flap."""

    GOOD = "good"
    USUAL = "usual"
    DOUBTFUL = "doubtful"


ENTERED: Final = {Standing.GOOD: 20.0, Standing.DOUBTFUL: -20.0}
LEFT: Final = {Standing.GOOD: 10.0, Standing.DOUBTFUL: -10.0}
"""Values at which a standing begins, and at which it ends."""
BLOCKED_AT: Final = -60.0
"""The value at which a member is blocked. Chosen: more than all small faults together, so it takes grave ones."""


@dataclass(slots=True)
class Reason:
    """One kind of deed. Times are seconds on the book's clock."""

    count: int
    first: float
    last: float
    points: float
    """What still counted at `last`; below 0: against it."""
    grave: bool = False

    def left(self, now: float) -> float:
        """What still counts now."""
        return float(self.points * 0.5 ** (max(0.0, now - self.last) / HALF_LIFE))


class History:
    """That of one member."""

    __slots__ = ("reasons", "standing")

    def __init__(self) -> None:
        self.reasons: dict[str, Reason] = {}
        self.standing = Standing.USUAL

    def note(self, what: str, points: float, now: float, times: int = 1) -> None:
        """It did something, `times` times; the points are for all of them together."""
        points = max(-MOST_POINTS, min(MOST_POINTS, points))
        known = self.reasons.get(what)
        if known is None and len(self.reasons) >= MOST_REASONS:
            what, known = OTHER, self.reasons.get(OTHER)
        grave = points <= GRAVE
        if known is None:
            self.reasons[what] = Reason(times, now, now, points, grave)
            return
        known.points = max(-GRAVE_MOST, min(BEST, known.left(now) + points))
        known.count, known.last, known.grave = known.count + times, max(now, known.last), known.grave or grave

    def value(self, now: float) -> float:
        """WORST to BEST."""
        good = small = grave = 0.0
        for reason in self.reasons.values():
            left = reason.left(now)
            if left >= 0.0:
                good += left
            elif reason.grave:
                grave -= left
            else:
                small -= left
        return max(WORST, min(BEST, good) - min(SMALL_MOST, small) - min(GRAVE_MOST, grave))

    def look(self, now: float) -> Standing:
        """The standing now."""
        value = self.value(now)
        good, doubtful = self.standing is Standing.GOOD, self.standing is Standing.DOUBTFUL
        if (good and value < LEFT[Standing.GOOD]) or (doubtful and value > LEFT[Standing.DOUBTFUL]):
            self.standing = Standing.USUAL
        if value >= ENTERED[Standing.GOOD]:
            self.standing = Standing.GOOD
        elif value <= ENTERED[Standing.DOUBTFUL]:
            self.standing = Standing.DOUBTFUL
        return self.standing

    def ease(self, most: float, now: float) -> None:
        """Of what speaks against it only `most` points count from now on; how often it happened stays."""
        against = {what: reason.left(now) for what, reason in self.reasons.items() if reason.points < 0}
        total = -sum(against.values())
        if total <= most:
            return
        for what, left in against.items():
            reason = self.reasons[what]
            reason.points, reason.last = left * most / total, max(now, reason.last)

    def worst(self, now: float) -> str:
        """The reason that speaks most against it; "" if nothing does."""
        what = min(self.reasons, key=lambda what: self.reasons[what].left(now), default="")
        return what if what and self.reasons[what].points < 0 else ""

    def forget(self, now: float) -> bool:
        """Leave out what no longer counts. True: nothing is left."""
        self.reasons = {what: reason for what, reason in self.reasons.items() if abs(reason.left(now)) >= LEAST}
        return not self.reasons

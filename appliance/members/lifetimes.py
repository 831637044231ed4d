"""When the certificates that a host keeps are valid: by that a clock is seen to be wrong.

A computer whose clock stops with its power (a Raspberry Pi, a board with an empty battery) starts in the past, and may need its
network to learn the time. What it keeps was valid once, by its own clock of then: so it is later than that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from appliance.members.certificate import CLOCK_SKEW, Certificate


class Lifetimes(NamedTuple):
    """In Unix seconds; both 0 where there is no certificate."""

    first: int = 0
    """Before that nothing here counted: when the node's own certificate began; the first of all, where it has none."""
    common: int = 0
    """The latest beginning at which most of them are valid, its own among them: what one signer's wrong clock wrote does not
    count there."""

    def begin_after(self, wall: int) -> bool:
        """Do they begin later than a clock says that it is? Then that clock is wrong."""
        return wall < self.first - CLOCK_SKEW

    def time(self, wall: int) -> int:
        """What to judge them by: the clock; `common` if that is wrong."""
        return self.common if self.begin_after(wall) else wall


def lifetimes_of(certificates: Iterable[Certificate], own: str = "") -> Lifetimes:
    """Of these. `own`: the node's identity."""
    every = list(certificates)
    if not every:
        return Lifetimes()
    last = max((each for each in every if each.identity == own), key=lambda each: each.not_before, default=None)
    first = min(each.not_before for each in every) if last is None else last.not_before
    turns = sorted(turn for each in every for turn in ((each.not_before, 1), (each.not_after, -1)))
    valid = most = common = 0
    for when, step in turns:
        valid += step
        if step > 0 and valid >= most and (last is None or first <= when < last.not_after):
            most, common = valid, when
    return Lifetimes(first, common)

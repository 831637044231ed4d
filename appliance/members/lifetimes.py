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
    """When the first of them began."""
    common: int = 0
    """The latest beginning at which most of them are valid: what one signer's wrong clock wrote does not count there."""

    def begin_after(self, wall: int) -> bool:
        """Do all of them begin later than a clock says that it is? Then that clock is wrong."""
        return wall < self.first - CLOCK_SKEW

    def time(self, wall: int) -> int:
        """What to judge them by: the clock; `common` if that is wrong."""
        return self.common if self.begin_after(wall) else wall


def lifetimes_of(certificates: Iterable[Certificate]) -> Lifetimes:
    """Of these."""
    turns = sorted(turn for each in certificates for turn in ((each.not_before, 1), (each.not_after, -1)))
    valid = most = common = 0
    for when, step in turns:
        valid += step
        if step > 0 and valid >= most:
            most, common = valid, when
    return Lifetimes(turns[0][0], common) if turns else Lifetimes()

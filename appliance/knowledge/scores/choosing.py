"""In which order to ask members any of whom will do: mostly good ones that have little to do first, and not always the same ones.
Pure.

Drawn at random, each member with a weight and once (Efraimidis and Spirakis 2006): so what a thousand nodes ask is spread over
all that can answer, and whoever became good a moment ago is not asked by everybody at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import log
from typing import Final, NamedTuple

from appliance.knowledge.scores.history import BEST, WORST
from appliance.members.row import Digest

LEAST_WEIGHT: Final = 1e-6
BUSY_SHARE: Final = 0.9
"""By so much the weight of a member is less that says it can take no more. It may lie, which brings it work, and no more."""
MOST_LOAD: Final = 255
"""As a row has it."""


class Candidate(NamedTuple):
    """A member to choose from."""

    member: Digest
    value: float
    """-100 to 100."""
    load: int = 0
    """0 to 255, by its own word."""
    last: bool = False
    """It is doubtful, or did not answer of late: only if nobody else will do."""

    @property
    def weight(self) -> float:
        """Of 100 four times that of 0, and that of -60 next to nothing."""
        share = (self.value - WORST) / (BEST - WORST)
        return max(LEAST_WEIGHT, share * share * (1 - BUSY_SHARE * self.load / MOST_LOAD))


def order(candidates: Iterable[Candidate], chance: Callable[[], float]) -> list[Digest]:
    """All of them. `chance`: a random number in [0, 1)."""
    drawn = [(each.last, -log(1.0 - chance()) / each.weight, each.member) for each in candidates]
    return [member for _, _, member in sorted(drawn)]

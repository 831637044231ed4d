"""What is usual of one figure: exponentially weighted mean and variance, which forget by halves.

The update is Finch's ("Incremental calculation of weighted mean and variance", 2009, section 9). Nothing is known of days and
weeks: what rises each morning is out of the ordinary each morning.
"""

from __future__ import annotations

import math
from typing import Final, Self

WARM_UP: Final = 30
"""Readings until anything is usual: five minutes."""
ALPHA: Final = 1 - 0.5 ** (1 / 180)
"""The weight of a reading: half of what is known is from the last 180, which are half an hour."""
LEAST_SHARE: Final = 0.1
"""Of the mean: a smaller spread than that is an accident."""


class Usual:
    """Told of one figure, reading by reading."""

    def __init__(self) -> None:
        self.mean = self._variance = 0.0
        self._readings = 0

    @classmethod
    def of(cls, mean: float, variance: float, readings: int) -> Self:
        """As `parts` said."""
        made = cls()
        made.mean, made._variance, made._readings = mean, variance, readings
        return made

    def parts(self) -> tuple[float, float, int]:
        """Mean, variance, and the number of readings."""
        return self.mean, self._variance, self._readings

    @property
    def warm(self) -> bool:
        """Is there enough to judge by?"""
        return self._readings >= WARM_UP

    @property
    def spread(self) -> float:
        """The standard deviation, not smaller than a tenth of the mean."""
        return max(math.sqrt(self._variance), LEAST_SHARE * abs(self.mean))

    def learn(self, value: float) -> None:
        """One reading more. The first ones weigh the same, as in an ordinary mean."""
        self._readings += 1
        alpha = max(ALPHA, 1 / self._readings)
        difference = value - self.mean
        step = alpha * difference
        self.mean += step
        self._variance = (1 - alpha) * (self._variance + difference * step)

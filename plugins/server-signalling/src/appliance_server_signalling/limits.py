"""How much of the server one connection, one address and all together take. Pure: the time comes in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

Who = TypeVar("Who")


class Bucket:
    """Tokens: `rate` a second, at most `burst`."""

    __slots__ = ("_burst", "_rate", "_since", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._since = now

    def take(self, cost: float, now: float) -> bool:
        """Were there as many? If not, none is taken."""
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate)
        self._since = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True


class Waiting(Generic[Who]):
    """Those who have so many `seconds` for something, in the order in which they began. Of more than `most` the first one
    is out of time."""

    def __init__(self, seconds: float, most: int | None = None) -> None:
        self._seconds = seconds
        self._most = most
        self._until: OrderedDict[Who, float] = OrderedDict()

    def begin(self, who: Who, now: float) -> None:
        """Unless he is waited for already."""
        self._until.setdefault(who, now + self._seconds)

    def end(self, who: Who) -> None:
        """He did it, or is gone."""
        self._until.pop(who, None)

    def late(self, now: float) -> Iterator[Who]:
        """Those whose time is over; they are not waited for any more."""
        while self._until:
            who, until = next(iter(self._until.items()))
            if until > now and (self._most is None or len(self._until) <= self._most):
                return
            del self._until[who]
            yield who

"""What a bad wire does to the packets that enter it: it queues, delays, loses and reorders them. Pure: time and chance come in.

A packet meets, in this order: the queue before the bottleneck (`rate`, `queue`), loss, and the way (`delay`, `jitter`,
`reorder`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Impairment:
    """What is wrong with one direction of a wire."""

    rate: int | None = None
    """Bits a second; None: as fast as it comes."""
    queue: float = 0.1
    """Seconds that a packet may have to wait for its turn, if there is a rate; what would wait longer is lost."""
    delay: float = 0.0
    """Seconds of the way."""
    jitter: float = 0.0
    """Seconds by which the way may be shorter or longer. It does not change the order."""
    loss: float = 0.0
    """Share of the packets that is lost, from 0 to 1."""
    burst_packets: int = 1
    """How many packets in a row are lost at a time."""
    burst_seconds: float = 0.0
    """How long everything is lost at a time; 0: bursts are counted in packets."""
    reorder: float = 0.0
    """Share of the packets that skip the delay, and so overtake those before them."""
    seed: int = 0
    """Chance begins with it, so that a wire loses the same packets again if the same packets come."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Impairment:
        """What `document` gave."""
        return cls(**document)


class Line:
    """One direction of a wire."""

    def __init__(self, impairment: Impairment, chance: Random) -> None:
        self._is = impairment
        self._chance = chance
        self._free = 0.0
        """When the bottleneck has sent all that waits before it."""
        self._last_out = 0.0
        self._lost: Callable[[float], bool] = _losing(impairment, chance)

    def admit(self, now: float, size: int) -> float | None:
        """When a packet of `size` bytes that enters now comes out at the other end; None: never. `now` never goes back."""
        ready = now
        if self._is.rate is not None:
            begun = max(self._free, now)
            if begun - now > self._is.queue:
                return None
            ready = self._free = begun + 8 * size / self._is.rate
        if self._lost(ready):
            return None
        if self._is.reorder and self._chance.random() < self._is.reorder:
            return ready
        way = self._is.delay
        if self._is.jitter:
            way += self._chance.uniform(-self._is.jitter, self._is.jitter)
        self._last_out = max(self._last_out, ready + max(0.0, way))
        return self._last_out


def _losing(impairment: Impairment, chance: Random) -> Callable[[float], bool]:
    """Asked for each packet, with the time: is it lost?"""
    if impairment.loss <= 0.0:
        return lambda _now: False
    if impairment.burst_seconds:
        return _Outages(impairment.loss, impairment.burst_seconds, chance)
    return _Runs(impairment.loss, impairment.burst_packets, chance)


class _Runs:
    """Losses of so many packets in a row. A wire that is used less has its losses further apart."""

    def __init__(self, share: float, length: int, chance: Random) -> None:
        # Between two runs pass (1 - p) / p packets in the mean, if each begins a run with probability p.
        self._begins = 1.0 if share >= 1.0 else 1.0 / (1.0 + length * (1.0 - share) / share)
        self._length = length
        self._chance = chance
        self._left = 0

    def __call__(self, _now: float) -> bool:
        if not self._left and self._chance.random() < self._begins:
            self._left = self._length
        if not self._left:
            return False
        self._left -= 1
        return True


class _Outages:
    """Losses of all that comes within so many seconds, at moments that do not depend on what comes."""

    def __init__(self, share: float, seconds: float, chance: Random) -> None:
        self._seconds = seconds
        self._mean_between = seconds * (1.0 - share) / share
        self._chance = chance
        self._out_from: float | None = None

    def __call__(self, now: float) -> bool:
        if self._out_from is None:  # the first packet starts the clock
            self._out_from = now + self._between()
        while now >= self._out_from + self._seconds:
            self._out_from += self._seconds + self._between()
        return now >= self._out_from

    def _between(self) -> float:
        return self._chance.expovariate(1.0 / self._mean_between) if self._mean_between > 0.0 else 0.0

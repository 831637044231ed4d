"""Ranges of sequence numbers that a peer has beyond a gap, and what is lost by that (RFC 6675)."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

ENOUGH: Final = 3  # RFC 6675, 2: DupThresh
MOST: Final = 256
"""Ranges that are remembered. What is forgotten is sent once more than needed."""


class Ranges:
    """Disjoint ranges, in order. All numbers are of any length, and `until` is the first number behind a range."""

    __slots__ = ("_starts", "_untils", "total")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._untils: list[int] = []
        self.total = 0
        """How many numbers are in them."""

    def __bool__(self) -> bool:
        return bool(self._starts)

    def add(self, start: int, until: int) -> None:
        """Put one more in."""
        first = bisect_left(self._untils, start)
        last = first
        while last < len(self._starts) and self._starts[last] <= until:
            self.total -= self._untils[last] - self._starts[last]
            last += 1
        if last > first:
            start, until = min(start, self._starts[first]), max(until, self._untils[last - 1])
        elif len(self._starts) >= MOST:
            return
        self._starts[first:last], self._untils[first:last] = [start], [until]
        self.total += until - start

    def forget_below(self, number: int) -> None:
        """What is below is acknowledged."""
        while self._starts and self._starts[0] < number:
            start, until = self._starts.pop(0), self._untils.pop(0)
            self.total -= until - start
            if until > number:
                self._starts.insert(0, number)
                self._untils.insert(0, until)
                self.total += until - number

    def clear(self) -> None:
        """Believe nothing any more."""
        self._starts, self._untils, self.total = [], [], 0

    def within(self, start: int, until: int) -> int:
        """How many numbers of that range are in them."""
        found = 0
        for at in range(bisect_left(self._untils, start + 1), len(self._starts)):
            if self._starts[at] >= until:
                break
            found += min(self._untils[at], until) - max(self._starts[at], start)
        return found

    def gap(self, start: int, until: int) -> tuple[int, int] | None:
        """The first part of that range which is in none of them."""
        at = bisect_left(self._untils, start + 1)
        if at < len(self._starts) and self._starts[at] <= start:
            start = self._untils[at]
            at += 1
        if start >= until:
            return None
        return start, min(until, self._starts[at]) if at < len(self._starts) else until

    def lost_below(self, mss: int) -> int:
        """What is missing below this number is lost, as enough arrived beyond (RFC 6675, 4: IsLost). 0: nothing is."""
        octets = 0
        for count, at in enumerate(range(len(self._starts) - 1, -1, -1), 1):
            octets += self._untils[at] - self._starts[at]
            if count >= ENOUGH or octets > (ENOUGH - 1) * mss:
                return self._starts[at]
        return 0

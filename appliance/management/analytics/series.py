"""Figures over time in bounded memory: each series has three rings, fine ones that are short and coarse ones that are long.

A cell says what one figure was in one interval. A reading goes into the cell of its time in each ring at once, so a coarse cell
is exactly what its fine ones make together. Slots are numbered by the wall clock (`time // step`), since people and other
machines ask by that; `calendar` says what a wall clock that jumps means.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import compress
from typing import Final, NamedTuple


class Resolution(NamedTuple):
    """One ring: `slots` cells of `step` seconds."""

    name: str
    step: int
    slots: int


FINE: Final = Resolution("fine", 10, 360)
MINUTE: Final = Resolution("minute", 60, 1440)
QUARTER: Final = Resolution("quarter", 900, 2976)
RESOLUTIONS: Final = (FINE, MINUTE, QUARTER)
"""An hour, a day and 31 days. A series takes 96 KB for good."""
MOST_SERIES: Final = 200
"""Series at a time: 19 MB. A node with fifty peers has about that many."""
SILENT: Final = 86400
"""Seconds without a reading after which a series gives its place to a new one."""
MOST_WEIGHT: Final = (1 << 32) - 1
MOST_FIGURE: Final = 3.4e38
"""What a C float holds: smallest and largest figures are kept as such."""


class Kind(Enum):
    """How readings of a figure are put together."""

    LEVEL = "level"
    """A figure that goes up and down. A cell has its smallest, mean and largest."""
    RATE = "rate"
    """What was counted in an interval. A cell has the sum, and the rate a second."""


class Key(NamedTuple):
    """The name of a series."""

    metric: str
    """What is measured: a name in `measures.METRICS`."""
    label: str = ""
    """Of which peer, or for which reason; "" for all together."""


class Cell(NamedTuple):
    """One figure in one interval. `EMPTY` is nothing."""

    weight: int
    """Of a level: how many readings. Of a rate: the milliseconds in which `total` was counted."""
    total: float
    """Of a level: the readings' sum. Of a rate: what was counted."""
    least: float
    """The smallest reading; of a rate, a second."""
    most: float

    def __add__(self, other: tuple[object, ...]) -> Cell:
        """Both together; which comes first makes no difference."""
        assert isinstance(other, Cell)
        if not self.weight or not other.weight:
            return self if self.weight else other
        weight = min(self.weight + other.weight, MOST_WEIGHT)
        return Cell(weight, self.total + other.total, min(self.least, other.least), max(self.most, other.most))

    def mean(self, kind: Kind) -> float | None:
        """The mean level, or the mean rate a second; None of an empty cell."""
        if not self.weight:
            return None
        return self.total / self.weight * (1000 if kind is Kind.RATE else 1)


EMPTY: Final = Cell(0, 0.0, 0.0, 0.0)


def level(value: float) -> Cell:
    """The cell of one reading of a level. Raises ValueError if it is not a number that a cell holds."""
    return Cell(1, value, *[_fits(value)] * 2)


def counted(amount: float, seconds: float) -> Cell:
    """The cell of what was counted in so many seconds. Raises ValueError as `level` does, or if it took no time."""
    weight = round(seconds * 1000)
    if not 0 < weight <= MOST_WEIGHT:
        raise ValueError(f"{seconds} seconds are not an interval")
    return Cell(weight, amount, *[_fits(amount / seconds)] * 2)


def _fits(value: float) -> float:
    if not math.isfinite(value) or abs(value) > MOST_FIGURE:
        raise ValueError("a figure is a finite number")
    return value


class Ring:
    """The newest cells of one series in one resolution. Memory is taken at once and does not grow."""

    def __init__(self, step: int, slots: int) -> None:
        self._step, self._slots = step, slots
        self._weights = array("I", bytes(4 * slots))
        self._totals = array("d", bytes(8 * slots))
        self._least = array("f", bytes(4 * slots))
        self._most = array("f", bytes(4 * slots))
        self.newest = -1
        """The number of the newest slot; -1 if there is none."""

    def add(self, slot: int, cell: Cell) -> None:
        """Put a cell together with what its slot has. One that is too old for the ring is left out."""
        if slot > self.newest:
            self._advance(slot)
        if slot > self.newest - self._slots:
            there = self._weights[slot % self._slots]
            self._put(slot, self.at(slot) + cell if there else cell)

    def at(self, slot: int) -> Cell:
        """The cell of a slot, EMPTY if there is nothing."""
        if not self.newest - self._slots < slot <= self.newest:
            return EMPTY
        place = slot % self._slots
        return Cell(self._weights[place], self._totals[place], self._least[place], self._most[place])

    def cells(self, first: int, last: int) -> Iterator[tuple[int, Cell]]:
        """Slots with their cells from `first` to `last`, empty ones left out."""
        for slot in range(max(first, self.newest - self._slots + 1, 0), min(last, self.newest) + 1):
            if self._weights[slot % self._slots]:
                yield slot, self.at(slot)

    def together(self, first: int, last: int) -> Cell:
        """All cells from `first` to `last` in one, without looking at each."""
        found = EMPTY
        for places in self._places(first, last):
            weights = self._weights[places]
            if weight := sum(weights):
                least, most = (compress(figures[places], weights) for figures in (self._least, self._most))
                found += Cell(min(weight, MOST_WEIGHT), sum(self._totals[places]), min(least), max(most))
        return found

    def means(self, first: int, last: int) -> list[tuple[float, int]]:
        """Of the cells from `first` to `last` that are not empty, in no order: total by weight, and weight."""
        pieces = ((self._totals[places], self._weights[places]) for places in self._places(first, last))
        return [(total / weight, weight) for piece in pieces for total, weight in zip(*piece, strict=True) if weight]

    def _places(self, first: int, last: int) -> Iterator[slice]:
        """Where these slots are: in one piece, or in two around the end."""
        first, last = max(first, self.newest - self._slots + 1, 0), min(last, self.newest)
        while first <= last:
            place = first % self._slots
            end = min(place + last - first + 1, self._slots)
            first += end - place
            yield slice(place, end)

    def forget_after(self, slot: int) -> None:
        """Nothing behind that slot was."""
        for later in range(max(slot + 1, self.newest - self._slots + 1), self.newest + 1):
            self._put(later, EMPTY)
        self.newest = min(self.newest, slot)

    def _advance(self, slot: int) -> None:
        for passed in range(max(self.newest + 1, slot - self._slots + 1), slot + 1):
            self._put(passed, EMPTY)
        self.newest = slot

    def _put(self, slot: int, cell: Cell) -> None:
        place = slot % self._slots
        self._weights[place], self._totals[place], self._least[place], self._most[place] = cell


class Series:
    """One figure over time."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.rings: Mapping[Resolution, Ring] = {each: Ring(each.step, each.slots) for each in RESOLUTIONS}
        self.heard = 0
        """When the newest reading came, in Unix seconds."""


class Book:
    """All series. `refused` counts readings for which there was no place; `odd` those that no cell holds."""

    def __init__(self, most: int = MOST_SERIES) -> None:
        self.series: dict[Key, Series] = {}
        self.refused = self.odd = 0
        self._most = most
        self._full_until = 0
        """No series gives its place before: it is not looked for one with each reading."""

    def read(self, at: int, readings: Iterable[tuple[Key, Kind, Cell]]) -> None:
        """Take what was read at `at` (Unix seconds). Whoever comes first gets a place first."""
        for key, kind, cell in readings:
            series = self._series(key, kind, at)
            if series is None:
                self.refused += 1
                continue
            series.heard = at
            for resolution, ring in series.rings.items():
                ring.add(at // resolution.step, cell)

    def restore(self, key: Key, kind: Kind, resolution: Resolution, slot: int, cell: Cell) -> None:
        """Put back a cell that was kept."""
        at = (slot + 1) * resolution.step - 1
        series = self._series(key, kind, at)
        if series is not None:
            series.heard = max(series.heard, at)
            series.rings[resolution].add(slot, cell)

    def page(self, resolution: Resolution, slot: int) -> dict[Key, Cell]:
        """All series' cells of one slot, empty ones left out."""
        cells = {key: series.rings[resolution].at(slot) for key, series in self.series.items()}
        return {key: cell for key, cell in cells.items() if cell.weight}

    def forget_after(self, at: int) -> None:
        """The clock was set back to `at`: what is told of later was not then."""
        for series in self.series.values():
            series.heard = min(series.heard, at)
            for resolution, ring in series.rings.items():
                ring.forget_after(at // resolution.step)

    def _series(self, key: Key, kind: Kind, at: int) -> Series | None:
        found = self.series.get(key)
        if found is not None and found.kind is kind:
            return found
        if found is None and len(self.series) >= self._most:
            if at < self._full_until:
                return None
            oldest = min(self.series, key=lambda other: self.series[other].heard)
            self._full_until = self.series[oldest].heard + SILENT
            if at < self._full_until:
                return None
            del self.series[oldest]
        self.series[key] = made = Series(kind)
        return made

"""Entries that were not where they belong: perhaps they are elsewhere, perhaps they are gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

MOST: Final = 10_000
"""Gaps that are kept apart; a log with more is beyond telling."""


class _Gap(NamedTuple):
    start: int
    end: int
    file: str
    line: int
    """Where it was found out."""


class Gaps:
    """Ranges of numbers, both ends included."""

    def __init__(self) -> None:
        self._gaps: list[_Gap] = []

    def add(self, start: int, end: int, file: str, line: int) -> None:
        """These were not there at this line."""
        if len(self._gaps) < MOST:
            self._gaps.append(_Gap(start, end, file, line))

    def fill(self, number: int) -> bool:
        """This one is there after all. False: it was not missing."""
        for at, gap in enumerate(self._gaps):
            if gap.start <= number <= gap.end:
                rest = (gap._replace(end=number - 1), gap._replace(start=number + 1))
                self._gaps[at : at + 1] = [part for part in rest if part.start <= part.end]
                return True
        return False

    def left(self) -> Iterator[tuple[int, int, str, int]]:
        """Those that are missing: first, last, file and line where it shows."""
        yield from self._gaps

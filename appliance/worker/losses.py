"""Which links lose datagrams: looked at now and then, and said while they do, and once more when they no longer do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from appliance.api.transport import Driver

MILLISECONDS: Final = 500
"""Between two looks."""
LEAST_DATAGRAMS: Final = 500
"""Fewer than this say too little: the look waits for more."""


class Losses:
    """What is known of the links' arrivals. Times are milliseconds of a 32-bit clock."""

    def __init__(self) -> None:
        self.looked = 0
        """When the last look was."""
        self._arrivals: dict[int, tuple[int, int]] = {}
        self._lossy: set[int] = set()

    def look(self, links: Mapping[int, Driver], now: int) -> Iterator[tuple[int, float]]:
        """Links of which something is to be said, each with the share (0 to 1) that it lost since the last look."""
        self.looked = now
        for number, link in links.items():
            seen, expected = link.arrivals()
            seen_before, expected_before = self._arrivals.get(number, (0, 0))
            due = expected - expected_before
            if due < LEAST_DATAGRAMS:
                continue
            self._arrivals[number] = seen, expected
            lost = max(0.0, 1 - (seen - seen_before) / due)
            if lost or number in self._lossy:
                self._lossy.add(number)
                yield number, round(lost, 6)

    def forget(self, number: int) -> None:
        """A link is gone."""
        self._arrivals.pop(number, None)
        self._lossy.discard(number)

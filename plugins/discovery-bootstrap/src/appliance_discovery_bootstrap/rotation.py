"""Who comes first in the next round. Pure; knows names only."""

from __future__ import annotations

from collections.abc import Iterable


class Rotation:
    """Orders a list again in each round. If it is `moving`, each round begins one place further. Who failed in the last round
    comes last."""

    def __init__(self, *, moving: bool = True) -> None:
        self._moving = moving
        self._first = 0
        self._failed: set[str] = set()

    def round(self, names: Iterable[str]) -> list[str]:
        """The order of the round that begins."""
        listed = list(dict.fromkeys(names))
        start = self._first % len(listed) if self._moving and listed else 0
        self._first = start + 1
        order = listed[start:] + listed[:start]
        order.sort(key=lambda name: name in self._failed)  # stable: within both groups the order stays
        self._failed.clear()
        return order

    def failed(self, name: str) -> None:
        """`name` could not be found this round."""
        self._failed.add(name)

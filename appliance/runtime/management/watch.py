"""Notices an API server that hangs: it says every few seconds that its event loop turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

LOOK_EVERY: Final = 10.0
"""Seconds between two looks; the API server says a word every five."""
SILENT: Final = 3
"""Looks in a row without a word from which on it counts as silent."""
GIVEN_UP: Final = 9
"""The same until it is given up. Looks are counted, and not time: a node that hung itself has looked only once meanwhile."""


class Watch:
    """`given_up()` is called once for each `begin`, if it comes to that."""

    def __init__(self, given_up: Callable[[], None]) -> None:
        self._given_up = given_up
        self._looks = 0
        self._next: asyncio.TimerHandle | None = None

    @property
    def silent(self) -> bool:
        """Has nothing been heard for a while?"""
        return self._looks >= SILENT

    def begin(self) -> None:
        """One was started."""
        self.end()
        self._wait()

    def heard(self) -> None:
        """It said something."""
        self._looks = 0

    def end(self) -> None:
        """There is none. Safe to call twice."""
        self._looks = 0
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _wait(self) -> None:
        self._next = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._looks += 1
        if self._looks < GIVEN_UP:
            self._wait()
        else:
            self._given_up()

"""How long data channels may keep the worker from other traffic. Pure: times come in as arguments.

While there is other traffic, what is sent on channels gets a share of the worker's time, and what comes in on them as much again.
Without, both get all of it. Time is that of the processor which the worker used, since others may use it, too.
"""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.03
"""Of the time, in each direction, while there is other traffic: together less than a tenth."""
CARRIERS_SHARE: Final = 0.2
"""The same where a channel carries a link, so that its records are somebody's packets too: together less than the half that other
packets have for themselves."""
MOST: Final = 0.0003
"""Seconds that can be saved up: a handful of full records."""
DEBT: Final = 0.02
"""Seconds that can be owed, so that what came in at once does not silence a peer for longer than half a second."""
GAP: Final = 0.005
"""Seconds without other traffic until there is none, for what comes in: reading a link takes milliseconds where its records are
small, so a moment without others is not enough."""
IDLE: Final = 4.0
"""How much of what came in is paid for by a second in which the worker had nothing to do: beside a little other traffic it may
take most of the time that is left."""


class Share:
    """What is left of the share in each direction."""

    __slots__ = ("_others", "_owed", "_used", "busy", "left", "portion")

    def __init__(self) -> None:
        self.portion = SHARE
        """Of the time while there is other traffic: SHARE or CARRIERS_SHARE."""
        self.left = MOST
        """Seconds that sending may take."""
        self._owed = 0.0
        """Seconds that what came in took beyond its share."""
        self._others = -GAP
        """When there was other traffic last."""
        self._used = 0.0
        self.busy = False
        """Was there other traffic lately?"""

    def begin(self, now: float, used: float, others: bool, idle: float = 0.0) -> None:
        """A turn: the worker has used so many seconds of the processor in all, there was other traffic, or none, and since the
        last turn the worker had nothing to do for so many seconds."""
        share, self._used = self.portion * (used - self._used), used
        self.left = min(MOST, self.left + share) if others else MOST
        if others:
            self._others = now
        self.busy = now - self._others < GAP
        self._owed = max(-MOST, self._owed - share - IDLE * idle) if self.busy else 0.0

    def sent(self, used: float) -> None:
        """Since the turn began, or the last word, what was sent took until the worker had used so many seconds."""
        self.left -= used - self._used
        self._used = used

    def came(self, seconds: float) -> None:
        """So many seconds went into what came in."""
        self._owed = min(DEBT, self._owed + seconds)

    @property
    def exceeded(self) -> bool:
        """Has more come in than should?"""
        return self.busy and self._owed > 0

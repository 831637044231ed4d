"""How much parity a path gets for the datagrams it loses. It is raised at once, and lowered only after a quiet while, so that it
does not swing."""

from __future__ import annotations

from typing import Final

LEVELS: Final = ((0.006, 4), (0.003, 8), (0.0005, 16))
"""A share of datagrams lost, and the pieces for which one parity piece is sent from that share on. Chosen so that less than one
in a hundred full records is lost at the upper end of each level: a column of n + 1 datagrams fails when two of them are lost. At
span 4 long records have rows and columns, which rarely fail together: once in five hundred records at 3 %, once in a hundred at 5
%."""
QUIET_SECONDS: Final = 10.0
"""How long a path must lose less before its parity is lowered."""


def span_for(lost: float) -> int:
    """Pieces for which one parity piece is sent on a path that loses this share of its datagrams. 0: no parity."""
    return next((span for least, span in LEVELS if lost >= least), 0)


class Protection:
    """The parity of one path."""

    __slots__ = ("_worst", "_worst_at", "span")

    def __init__(self) -> None:
        self.span = 0
        self._worst = 0.0
        self._worst_at = 0.0

    def report(self, lost: float, now: float) -> bool:
        """The far end lost this share since its last report. True if `span` has changed."""
        if lost >= self._worst or now - self._worst_at >= QUIET_SECONDS:
            self._worst, self._worst_at = lost, now
        span = span_for(self._worst)
        if span == self.span:
            return False
        self.span = span
        return True

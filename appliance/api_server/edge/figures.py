"""What the edge counts."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Figures:
    """Connections and requests since the start."""

    def __init__(self) -> None:
        self.accepted = 0
        """Connections that were let in."""
        self.requests: Counter[str] = Counter()
        """By class of status: "2xx", "4xx"."""
        self.refused: Counter[str] = Counter()
        """By reason. Connections and requests that went no further than the edge, and those cut off later."""
        self.streams = 0
        """Answers under way that have no end of their own."""

    def answered(self, status: int) -> None:
        """A request was answered."""
        self.requests[f"{status // 100}xx"] += 1

    def shown(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "accepted": self.accepted,
            "streams": self.streams,
            "requests": dict(sorted(self.requests.items())),
            "refused": dict(sorted(self.refused.items())),
        }

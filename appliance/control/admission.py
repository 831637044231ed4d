"""How many callers the control socket has at a time: no user can take the places of another, and root has its own.

Refusals are counted by reason and told at a bounded rate.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

from appliance.foundation import clock
from appliance.foundation.logging import get_logger

log = get_logger("control")

OF_A_USER = 8
OF_ALL_USERS = 32
OF_ROOT = 64
"""Connections at a time. A command has one, for milliseconds."""
TELL_EVERY = 10.0
"""Seconds between two lines about refused callers."""


class Admission:
    """Who is connected. `refused` counts by reason: "user-busy", "busy", "permission", "questions"."""

    def __init__(self, now: Callable[[], float] = clock.monotonic) -> None:
        self.refused: Counter[str] = Counter()
        self._now = now
        self._connected: Counter[int] = Counter()
        self._told = float("-inf")
        self._untold = 0

    def admit(self, uid: int) -> str | None:
        """Let a caller in, until `leave`; or the reason why not."""
        reason = self._full(uid)
        if reason is None:
            self._connected[uid] += 1
        else:
            self.refuse(reason, uid)
        return reason

    def leave(self, uid: int) -> None:
        """A caller that was let in is gone."""
        self._connected[uid] -= 1
        if not self._connected[uid]:
            del self._connected[uid]

    def refuse(self, reason: str, uid: int, **more: object) -> None:
        """Count a caller that got no answer, and say so now and then."""
        self.refused[reason] += 1
        self._untold += 1
        now = self._now()
        if now - self._told >= TELL_EVERY:
            log.warning("a caller was refused", reason=reason, uid=uid, number=self._untold, **more)
            self._told, self._untold = now, 0

    def _full(self, uid: int) -> str | None:
        if is_root(uid):
            return "busy" if self._connected[uid] >= OF_ROOT else None
        if self._connected[uid] >= OF_A_USER:
            return "user-busy"
        others = sum(count for user, count in self._connected.items() if not is_root(user))
        return "busy" if others >= OF_ALL_USERS else None


def is_root(uid: int) -> bool:
    """Root, or the daemon's own user."""
    return uid in {0, os.geteuid()}

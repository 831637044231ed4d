"""Has the network come apart? A member that dies is everyday; a large part of them at once is a partition, or as good as one.

Nothing is switched off for it: each part goes on with whom it reaches. What changes is that lost members are called, by all of
a part together about so often, however large it is; the first one that answers joins the parts again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from appliance.members.effects import Happening, Told
from appliance.members.row import Digest

WINDOW: Final = 60.0
"""Seconds: what is lost within is lost at once. Twice what a suspicion of one accuser takes to run out."""
LEAST: Final = 2
SHARE: Final = 0.25
"""So many members, and so large a part of those that were there, are more than everyday."""
BACK: Final = 0.5
"""So large a part of what was lost is back: the parts are joined again."""
TRY_SECONDS: Final = 2.0
"""While parted: between two calls of all members of a part together."""
QUIET_SECONDS: Final = 30.0
"""Otherwise; who was away calls by itself when it is back."""


class State(StrEnum):
    """Of the network, as this node sees it."""

    WHOLE = "whole"
    PARTED = "parted"


class Partition:
    """Watches how many are lost."""

    def __init__(self, jitter: Callable[[], float], now: float) -> None:
        """`jitter`: a random number in [0, 1)."""
        self.state = State.WHOLE
        self.lost: dict[Digest, float] = {}
        """Members that are taken for dead, and since when. Read only."""
        self.since = now
        """When it last came apart."""
        self.told: list[Told] = []
        self._jitter = jitter
        self._parted: set[Digest] = set()
        """Who was lost in this partition."""
        self._try_at = now + QUIET_SECONDS

    def lose(self, member: Digest, there: int, now: float) -> None:
        """A member was lost; `there` others are left."""
        if not self.lost:
            self._try_at = now + QUIET_SECONDS
        self.lost[member] = now
        if self.state is State.PARTED:
            self._parted.add(member)
            return
        sudden = {each for each, since in self.lost.items() if since + WINDOW >= now}
        if len(sudden) >= max(LEAST, SHARE * (there + len(sudden))):
            self.state = State.PARTED
            self._parted = sudden
            self.since = now
            self._try_at = now
            self.told.append(Told(Happening.PARTED, numbers=(len(sudden), there)))

    def regain(self, member: Digest) -> bool:
        """It is there. True when it belongs to what was lost in a partition."""
        self.lost.pop(member, None)
        self._judge()
        return member in self._parted

    def keep(self, members: Mapping[Digest, object]) -> None:
        """Forget who is no member any more."""
        for member in [member for member in self.lost if member not in members]:
            del self.lost[member]
        self._parted &= members.keys()
        self._judge()

    def _judge(self) -> None:
        if self.state is not State.PARTED:
            return
        missing = len(self._parted & self.lost.keys())
        if missing <= (1 - BACK) * len(self._parted):
            self.state = State.WHOLE
            self.told.append(Told(Happening.HEALED, numbers=(len(self._parted) - missing, missing)))

    def next_due(self) -> float | None:
        """When somebody is to be called."""
        return self._try_at if self.lost else None

    def is_due(self, now: float) -> bool:
        """Is it time to call a lost member?"""
        return bool(self.lost) and now >= self._try_at

    def due(self, there: int, now: float) -> Digest:
        """It is; `there` other members are left. Whom to call."""
        together = TRY_SECONDS if self.state is State.PARTED else QUIET_SECONDS
        self._try_at = now + max(2.0, together * (there + 1) * (0.5 + self._jitter()) / 2)
        return list(self.lost)[int(self._jitter() * len(self.lost))]

"""What this node thinks of each member, and whom it blocks. Pure; `now` is seconds on a clock that only goes forward.

Only what this node saw itself counts: nobody is asked, and nobody's word of another one is taken. So a member can make nobody
else look bad here, but by being in his way.

**A node must not cut itself off.** When many look bad at once, the node itself is the likelier culprit (Lifeguard, Dadgar,
Phillips and Currey 2018). So by itself it blocks nobody whom the profile names, never more than a share of the members at a time,
never the last one that it has a session with, and nobody while most of those that it talks to look bad.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.knowledge.scores.blocks import Block, Blocks
from appliance.knowledge.scores.history import BLOCKED_AT, ENTERED, History, Standing
from appliance.members.row import Digest

MOST_MEMBERS: Final = 1024
"""Histories that are kept; of more, those go that say least. Chosen: a look at all, or a copy for the disk, holds the event loop
for less than 50 ms."""
KEPT_SHARE: Final = 0.75
"""How many of them stay when there are too many: making room costs a look at all."""
BLOCKED_SHARE: Final = 3
"""One in so many other members may be blocked automatically at a time, and one in any case."""
SUSPECT_SHARE: Final = 2
"""If more than one in so many of those that this node talks to look bad, and more than one, this node itself is suspected."""
EASED: Final = 30.0
"""What still speaks against a member when its automatic block ends: three more grave faults, and it is blocked again."""


class HeldOff(StrEnum):
    """Why a member is not blocked although its value is low enough."""

    NAMED = "named-by-the-profile"
    SHARE = "too-many-are-blocked"
    LAST_WAY = "last-way-in"
    SUSPECT = "many-look-bad"
    """This node may be the one that is not well."""


class Surroundings(NamedTuple):
    """What the node has around it at the moment."""

    others: int
    """Other members of the network."""
    connected: Collection[Digest]
    """Members with a session."""
    named: Collection[Digest] = ()
    """Peers of the profile."""


class Book:
    """That of one node."""

    def __init__(self) -> None:
        self.blocks = Blocks()
        self.held_off: dict[Digest, HeldOff] = {}
        """Who would be blocked, and why not."""
        self.counters: Counter[str] = Counter()
        self._histories: dict[Digest, History] = {}

    @property
    def histories(self) -> Mapping[Digest, History]:
        """Look, don't touch."""
        return self._histories

    def recall(self, histories: Mapping[Digest, History]) -> None:
        """Those of an earlier life."""
        self._histories = dict(histories)

    # ---- deeds ----

    def note(self, member: Digest, what: str, points: float, now: float, times: int = 1) -> None:
        """A member did something that speaks for it (`points` above 0, for all `times` together) or against it."""
        history = self._histories.get(member)
        if history is None:
            if len(self._histories) >= MOST_MEMBERS:
                self._make_room(now)
            history = self._histories[member] = History()
        history.note(what, points, now, times)
        history.look(now)  # what it comes to by this, it is until another threshold

    def value(self, member: Digest, now: float) -> float:
        """-100 to 100; 0 for somebody of whom nothing is known."""
        history = self._histories.get(member)
        return 0.0 if history is None else history.value(now)

    def standing(self, member: Digest, now: float) -> Standing:
        """Whether it is good, usual or doubtful; a blocked one is in `blocks` besides."""
        history = self._histories.get(member)
        return Standing.USUAL if history is None else history.look(now)

    # ---- blocks ----

    def judge(self, member: Digest, around: Surroundings, now: float) -> Block | None:
        """Is that enough? The block, if it is one from now on."""
        history = self._histories.get(member)
        if history is None or member in self.blocks or history.value(now) > BLOCKED_AT:
            self.held_off.pop(member, None)
            return None
        why = self._objection(member, around, now)
        if why is not None:
            if self.held_off.get(member) is not why:
                self.counters[f"held-off-{why}"] += 1
            self.held_off[member] = why
            return None
        self.held_off.pop(member, None)
        return self.blocks.put_by_itself(member, history.worst(now), now)

    def _objection(self, member: Digest, around: Surroundings, now: float) -> HeldOff | None:
        if member in around.named:
            return HeldOff.NAMED
        if self.blocks.automatic >= max(1, around.others // BLOCKED_SHARE):
            return HeldOff.SHARE
        there = [each for each in around.connected if each not in self.blocks]
        if not any(each != member for each in there):
            return HeldOff.LAST_WAY
        bad = sum(self.value(each, now) <= ENTERED[Standing.DOUBTFUL] for each in there)
        if bad > max(1, len(there) // SUSPECT_SHARE):
            return HeldOff.SUSPECT
        return None

    def unblock(self, member: Digest, now: float) -> Block | None:
        """Somebody says so: what spoke against it counts no more. None: it is not blocked."""
        block = self.blocks.take_back(member)
        if block is not None and member in self._histories:
            self._histories[member].ease(0.0, now)
        return block

    def due(self, now: float) -> list[tuple[Digest, Block]]:
        """Blocks whose time is over."""
        over = self.blocks.due(now)
        for member, block in over:
            if block.automatic and member in self._histories:
                self._histories[member].ease(EASED, now)
        return over

    def forget(self, members: Collection[Digest], now: float) -> None:
        """Leave out what no longer counts, and histories of those who are no members any more."""
        gone = [each for each, history in self._histories.items() if each not in members or history.forget(now)]
        for member in gone:
            del self._histories[member]
        self.held_off = {member: why for member, why in self.held_off.items() if member in self._histories}

    def _make_room(self, now: float) -> None:
        telling = sorted(self._histories, key=lambda member: abs(self._histories[member].value(now)), reverse=True)
        kept = telling[: int(MOST_MEMBERS * KEPT_SHARE)]
        self._histories = {member: self._histories[member] for member in kept}
        self.counters["histories-forgotten"] += len(telling) - len(kept)

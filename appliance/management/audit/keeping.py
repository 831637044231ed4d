"""Heads of one other node, as this one keeps them: how its log grew, and proof if it did not only grow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

from appliance.management.audit.head import SignedHead

MOST_HEADS: Final = 8
"""Of one node, 7 KB each: its first, its newest, and some between."""


class Taken(StrEnum):
    """What a head that came was."""

    NEW = "new"
    KNOWN = "known"
    """It says nothing new, or is older than what is known."""
    ANEW = "anew"
    """It is of another log of this node: that one was begun in place of the one before."""
    CONTRADICTS = "contradicts"
    """The node has signed two things of one log that cannot both be: it was cut off, or written anew."""
    FULL = "full"
    """There are as many as may be, and each of them proves something."""


class NodeHeads:
    """Those of one node, in the order in which they came; their signatures are good."""

    def __init__(self, heads: Iterable[SignedHead] = ()) -> None:
        self._heads: list[SignedHead] = []
        for head in heads:
            self.take(head)

    @property
    def all(self) -> Sequence[SignedHead]:
        """Those that are kept."""
        return tuple(self._heads)

    @property
    def ends(self) -> Sequence[SignedHead]:
        """The first and the newest: what whoever asks needs most."""
        return tuple(self._heads) if len(self._heads) < 3 else (self._heads[0], self._heads[-1])

    @property
    def last_heard(self) -> int:
        """Unix seconds by that node's clock; 0: nothing was heard."""
        return max((each.head.time for each in self._heads), default=0)

    def take(self, signed: SignedHead) -> Taken:
        """One came."""
        taken = self._judged(signed)
        if taken is Taken.KNOWN:
            return taken
        if len(self._heads) >= MOST_HEADS and not self._thin():
            return Taken.FULL
        self._heads.append(signed)
        return taken

    def _judged(self, signed: SignedHead) -> Taken:
        head = signed.head
        if not self._heads:
            return Taken.NEW
        of_log = [each.head for each in self._heads if each.head.log == head.log]
        if not of_log:
            return Taken.ANEW
        if any(each.number == head.number and each.hash != head.hash for each in of_log):
            known = any(each.number == head.number and each.hash == head.hash for each in of_log)
            return Taken.KNOWN if known else Taken.CONTRADICTS
        newest = of_log[-1]
        if head.number > newest.number:
            return Taken.NEW
        return Taken.CONTRADICTS if head.number < newest.number and head.time > newest.time else Taken.KNOWN

    def _thin(self) -> bool:
        """Let one go between two that prove the same growth, where they are closest. False: each proves something."""
        triples = list(zip(self._heads, self._heads[1:], self._heads[2:], strict=False))
        spans = [
            (after.head.time - before.head.time, at)
            for at, (before, between, after) in enumerate(triples, 1)
            if before.head.log == between.head.log == after.head.log
            and before.head.number < between.head.number < after.head.number
        ]
        if not spans:
            return False
        del self._heads[min(spans)[1]]
        return True

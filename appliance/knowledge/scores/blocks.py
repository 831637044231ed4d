"""Who is blocked: by whom, why, and until when. Pure.

A block that this node made by itself ends by itself. The next one of the same member lasts twice as long, up to a day, and each
day without one takes a doubling back. What somebody said by hand lasts as long as he said, or until he takes it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final, NamedTuple

from appliance.members.row import Digest

ITSELF: Final = ""
"""Who said so, when nobody did: this node."""
FIRST_SECONDS: Final = 300.0
LONGEST_SECONDS: Final = 86400.0
FORGIVEN_SECONDS: Final = 86400.0
"""Without a block, for each doubling that is taken back."""
MOST: Final = 4096
"""Blocks at a time."""


class Block(NamedTuple):
    """One member's. Times are seconds on the book's clock."""

    reason: str
    by: str
    """Who said so; `ITSELF`: this node."""
    since: float
    until: float
    """Infinite: until somebody takes it back."""

    @property
    def automatic(self) -> bool:
        """Did this node say so?"""
        return self.by == ITSELF


class Term(NamedTuple):
    """How long the next automatic block of a member lasts."""

    doubled: int
    since: float
    """When that was counted last: the end of the last block."""

    def at(self, now: float) -> int:
        """How often it is doubled now."""
        return max(0, self.doubled - int(max(0.0, now - self.since) // FORGIVEN_SECONDS))


class Blocks:
    """Those of one node."""

    def __init__(self) -> None:
        self._blocks: dict[Digest, Block] = {}
        self._terms: dict[Digest, Term] = {}

    def __contains__(self, member: object) -> bool:
        return member in self._blocks

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def all(self) -> Mapping[Digest, Block]:
        """Look, don't touch."""
        return self._blocks

    @property
    def terms(self) -> Mapping[Digest, Term]:
        """Look, don't touch."""
        return self._terms

    @property
    def automatic(self) -> int:
        """How many this node made by itself."""
        return sum(block.automatic for block in self._blocks.values())

    def put(self, member: Digest, block: Block) -> list[tuple[Digest, Block]] | None:
        """Somebody said so. Returns who made room for it, and is blocked no more; None: there are as many as there may be."""
        gone: list[tuple[Digest, Block]] = []
        if member not in self._blocks and len(self._blocks) >= MOST:
            gone = self._make_room()
            if not gone:
                return None
        self._blocks[member] = block
        return gone

    def put_by_itself(self, member: Digest, reason: str, now: float) -> Block | None:
        """This node has seen enough of it. None: it is blocked already, or there are as many as there may be."""
        if member in self._blocks or len(self._blocks) >= MOST:
            return None
        term = self._terms.get(member)
        doubled = 0 if term is None else term.at(now)
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(doubled, 16))
        block = self._blocks[member] = Block(reason, ITSELF, now, now + seconds)
        self._terms[member] = Term(doubled + 1, block.until)
        return block

    def take_back(self, member: Digest) -> Block | None:
        """Somebody says that it is blocked no more, and what was before is forgiven. None: it is not."""
        self._terms.pop(member, None)
        return self._blocks.pop(member, None)

    def due(self, now: float) -> list[tuple[Digest, Block]]:
        """Those whose time is over; they are blocked no more. Call it at `next_due`."""
        over = [(member, block) for member, block in self._blocks.items() if block.until <= now]
        for member, _ in over:
            del self._blocks[member]
        self._terms = {member: term for member, term in self._terms.items() if term.at(now) or member in self._blocks}
        return over

    def next_due(self) -> float:
        """When the next one ends; infinite if none does by itself."""
        return min((block.until for block in self._blocks.values()), default=inf)

    def recall(self, blocks: Mapping[Digest, Block], terms: Mapping[Digest, Term]) -> None:
        """Those of an earlier life."""
        self._blocks, self._terms = dict(blocks), dict(terms)

    def _make_room(self) -> list[tuple[Digest, Block]]:
        """One that this node made itself goes for one that somebody says."""
        first = next((member for member, block in self._blocks.items() if block.automatic), None)
        return [] if first is None else [(first, self._blocks.pop(first))]

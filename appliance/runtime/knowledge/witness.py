"""What a node sees of its members besides what its machines say of them: faults in what comes through their sessions, statements
and rows that are forged. Gathered for a second, so that a flood costs a count each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from appliance.knowledge.effects import Deed
from appliance.knowledge.scores.faults import WORTH, points_of
from appliance.members.network import digest_of_text
from appliance.members.statement import Refusal
from appliance.runtime.node.strangers import is_stranger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from appliance.members.row import Digest
    from appliance.runtime.knowledge.around import Around

GATHER_SECONDS: Final = 1.0
_STATEMENTS: Final = {
    str(Refusal.BAD_SIGNATURE): "forged-statement",
    str(Refusal.FOREIGN_NETWORK): "foreign-statement",
    str(Refusal.MALFORMED): "malformed-message",
    str(Refusal.TOO_LONG): "malformed-message",
}
"""The faults that refused statements are. All other refusals happen between honest nodes that do not know the same yet."""


class Witness:
    """Of one node. `tell(deed, times)` is told what was seen."""

    def __init__(self, around: Around, tell: Callable[[Deed, int], None]) -> None:
        self._mesh = around.mesh
        self._tell = tell
        self._seen: Counter[tuple[Digest, str]] = Counter()
        self._gathering: asyncio.Task[None] | None = None
        around.mesh.parts.driver.node.tell_of_faults(self._fault)
        around.mesh.refused.append(self._refused)
        around.gossip.blamed = self._blamed

    def close(self) -> None:
        """See nothing any more."""
        if self._gathering is not None:
            self._gathering.cancel()

    def _fault(self, peer: str, reason: str) -> None:
        if reason in WORTH:
            self._see(peer, reason)

    def _refused(self, peer: str, reason: str) -> None:
        if (what := _STATEMENTS.get(reason)) is not None:
            self._see(peer, what)

    def _blamed(self, member: Digest, faults: Sequence[str]) -> None:
        for what in faults:
            self._count(member, what)

    def _see(self, peer: str, what: str) -> None:
        entry = None if is_stranger(peer) else self._mesh.parts.peers.table.get(peer)
        if entry is not None:
            self._count(digest_of_text(entry.identity), what)

    def _count(self, member: Digest, what: str) -> None:
        self._seen[member, what] += 1
        if self._gathering is None:
            self._gathering = self._mesh.tasks.spawn(self._gather(), "gather what members did")

    async def _gather(self) -> None:
        await self._mesh.parts.sleep(GATHER_SECONDS)
        self._gathering = None
        seen, self._seen = self._seen, Counter()
        for (member, what), times in seen.items():
            self._tell(Deed(member, WORTH[what].what, points_of(what, times)), times)

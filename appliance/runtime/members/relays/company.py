"""Who has to do with relays: whom this node serves, over which relays it can be called, and whose calls it takes.

With static peers the profile says so. In a network of members a relay has that role in its certificate, all members may use it,
and each node picks the relays that suit it best; those of which it has seen bad things (`knowledge.scores`) come last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final

from appliance.members.scope import Role
from appliance.runtime.peers.table import Origin

if TYPE_CHECKING:
    from appliance.api.profile import Relay
    from appliance.members.relays.choice import Choice
    from appliance.runtime.members.mesh import Mesh
    from appliance.runtime.peers.table import PeerTable

PICKED: Final = 2
"""Relays that a member picks: when one fails the other is there."""
TRIED_AT_ONCE: Final = 2
"""Relays without a session that are called in one look, when there are too few."""
FULL_SECONDS: Final = 60.0
"""For how long a relay that had no place is left alone."""


class Company:
    """As the section `relay` of the profile, and the `mesh` where there is one, say. `mesh()` may change."""

    def __init__(self, relay: Relay, table: PeerTable, mesh: Callable[[], Mesh | None]) -> None:
        self.relay = relay
        self._table = table
        self._mesh = mesh
        self._picked: tuple[str, ...] = ()
        self._next = 0
        self._full: dict[str, float] = {}
        """Until when."""

    def serves(self) -> bool:
        """Is this node a relay?"""
        if self.relay.serve is not None:
            return self.relay.serve
        mesh = self._mesh()
        own = None if mesh is None else mesh.members().get(mesh.own)
        return own is not None and Role.RELAY in own.roles

    def may_use(self, peer: str) -> bool:
        """May this relay join that peer with another?"""
        return peer in self.relay.peers if self.relay.peers else self._table.get(peer) is not None

    def welcomes(self, caller: str) -> bool:
        """May the node with that fingerprint call? In a network whoever calls proves that he is a member."""
        return self._table.of_identity(caller) is not None or self._mesh() is not None

    def trusts(self, relay: str) -> bool:
        """May links of this node go over that peer? A member's certificate has to say so, whatever a row says."""
        entry = self._table.get(relay)
        return entry is not None and (entry.origin is Origin.PROFILE or relay in self._members())

    @property
    def at(self) -> tuple[str, ...]:
        """The relays over which this node is to be called: those that the profile names, and those that were picked."""
        return tuple(dict.fromkeys((*self.relay.at, *self._picked)))

    # ---- picking ----

    def refused(self, relay: str, now: float) -> None:
        """A relay has no place for this node."""
        self._full[relay] = now + FULL_SECONDS

    def pick(self, choice: Choice, connected: Callable[[str], bool], now: float) -> list[str]:
        """Look which relays suit best. Returns those that should be called for that."""
        if self.serves() or len(self.relay.at) >= PICKED:
            self._picked = ()
            return []
        self._full = {relay: until for relay, until in self._full.items() if until > now}
        there = [relay for relay in self._members() if relay not in self._full]
        ready = [relay for relay in there if connected(relay)]
        doubted = self._doubted(there)
        self._picked = self._best(choice, ready, doubted)
        missing = [relay for relay in there if relay not in ready]
        missing = [relay for relay in missing if relay not in doubted] or missing
        if len(self._picked) >= PICKED or not missing:
            return []
        self._next += TRIED_AT_ONCE
        return [missing[(self._next + each) % len(missing)] for each in range(min(TRIED_AT_ONCE, len(missing)))]

    def _best(self, choice: Choice, ready: Iterable[str], doubted: AbstractSet[str]) -> tuple[str, ...]:
        left, found = set(ready), []
        mesh = self._mesh()
        pair = "" if mesh is None else mesh.own
        for before in [*self._picked, *[None] * PICKED][:PICKED]:
            if left:
                found.append(choice.order(sorted(left - doubted or left), pair, before)[0])
                left.discard(found[-1])
        return tuple(found)

    def _doubted(self, relays: Iterable[str]) -> AbstractSet[str]:
        """Those that are taken only if there are too few others."""
        mesh = self._mesh()
        entries = [entry for relay in relays if (entry := self._table.get(relay)) is not None]
        return set() if mesh is None else {entry.name for entry in entries if mesh.last_choice(entry.identity)}

    def _members(self) -> list[str]:
        mesh = self._mesh()
        if mesh is None:
            return []
        relays = [each.identity for each in mesh.members().values() if Role.RELAY in each.roles and each.identity != mesh.own]
        entries = [entry for identity in relays if (entry := self._table.of_identity(identity)) is not None]
        return sorted(entry.name for entry in entries if entry.origin is Origin.MEMBER)

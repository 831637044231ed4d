"""A discovery kind of the core: it looks for members of whom nobody knows where they can be called, by their identity alone.

To add one: a part that is a `part.Finder`, whose `discovery` gives `seeking(NAME, around, look_up)`; NAME stands in
`plugin_host.registry.CORE_DISCOVERY`, so that no plugin takes it. The kind runs wherever the part does. `look_up` is asked for
one identity at a time and gives what the member said of itself as a row, or None.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from appliance.api.discovery import Candidate, DiscoveryKind, DiscoveryServices

if TYPE_CHECKING:
    from appliance.members.row import Row
    from appliance.runtime.knowledge.around import Around

GRACE: Final = 3.0
"""Seconds for which a member has no endpoints before it is looked for: its row is usually on the way."""
FIRST_PAUSE: Final = 10.0
LONGEST_PAUSE: Final = 3600.0
"""Seconds between two look-ups of one member; doubled each time. Some members never say where they are."""
LOOK_EVERY: Final = 30.0
"""Seconds between two looks who is sought: that a session has ended nobody says."""
BETWEEN: Final = 1.0
"""Seconds between two look-ups, so that a thousand members without a row cost a node little."""
TTL: Final = 600.0
"""Seconds for which a find counts; see `Candidate.ttl`."""
PRIORITY: Final = 500
"""Of the best one: behind what a profile or a network's own devices say."""
MOST: Final = 8
"""Endpoints that are taken of one row."""

LookUp = Callable[[str], Awaitable["Row | None"]]
"""What the member with that identity says of itself. None: nobody knows."""


class _Who(NamedTuple):
    """Somebody who is sought."""

    identity: str
    connected: bool
    """It called us. Where it can be called is good to know when that session ends, and once found need not be looked up soon."""


class _Next(NamedTuple):
    """When one member is looked up, and the pause after that."""

    at: float
    pause: float


class Seeker:
    """The discoverer."""

    def __init__(self, around: Around, look_up: LookUp, services: DiscoveryServices) -> None:
        self._around = around
        self._look_up = look_up
        self._services = services
        self._next: dict[_Who, _Next] = {}

    async def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
        """One batch for each member that was found."""
        while True:
            sought, now = self._sought(), self._around.mesh.parts.monotonic()
            self._next = {who: self._next.get(who, _Next(now + GRACE, FIRST_PAUSE)) for who in sought}
            due = min(self._next.items(), key=lambda item: item[1].at, default=None)
            if due is None or due[1].at > now:
                await self._services.changed(LOOK_EVERY if due is None else min(LOOK_EVERY, due[1].at - now))
                continue
            who, (_, pause) = due
            self._next[who] = _Next(now + pause, min(2 * pause, LONGEST_PAUSE))
            row = await self._look_up(who.identity)
            if row is not None:
                if who.connected:
                    self._next[who] = _Next(now + LONGEST_PAUSE, LONGEST_PAUSE)
                places = self._around.gossip.endpoints_of(row)[:MOST]
                yield [Candidate(sought[who], place, PRIORITY + number, TTL) for number, place in enumerate(places)]
            await self._services.sleep(BETWEEN)

    def _sought(self) -> dict[_Who, str]:
        """Names of the members of whom no row and no profile says where they are."""
        mesh = self._around.mesh
        members, connected = mesh.members(), mesh.parts.driver.connected_peers()
        identities = self._services.identities()
        return {
            _Who(identities[peer], peer in connected): peer
            for peer, endpoints in self._services.configured()
            if not endpoints and identities.get(peer) in members
        }


def seeking(name: str, around: Around, look_up: LookUp) -> DiscoveryKind:
    """The kind of that name."""

    def opened(_settings: Any, services: DiscoveryServices) -> Seeker:
        return Seeker(around, look_up, services)

    return DiscoveryKind(name, None, opened)

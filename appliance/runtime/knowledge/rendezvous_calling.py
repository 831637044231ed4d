"""The discovery kind `rendezvous` of the core: who is registered under a followed tag is called where its registration says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from appliance.api.discovery import Candidate, DiscoveryKind
from appliance.members.network import identity_text

if TYPE_CHECKING:
    from appliance.api.discovery import DiscoveryServices
    from appliance.api.values import Endpoint
    from appliance.knowledge.rendezvous.machine import Rendezvous
    from appliance.runtime.knowledge.around import Around

PRIORITY: Final = 500
"""Of the best one: behind what a profile or a network's own devices say, as other kinds of the core are."""
MOST: Final = 8
"""Endpoints that are taken of one registration."""

Told = tuple[str, "Endpoint"]
"""Peer and endpoint."""


class Calling:
    """`machine` follows the tags, and says with whom sessions are kept."""

    def __init__(self, around: Around, machine: Rendezvous) -> None:
        self.kind = DiscoveryKind("rendezvous", None, self._open)
        self._around = around
        self._machine = machine
        self._news = asyncio.Event()

    def changed(self) -> None:
        """Others are registered now, or are peers."""
        self._news.set()

    def _open(self, _settings: Any, _services: DiscoveryServices) -> Calling:
        return self

    async def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
        """A batch whenever somebody came, moved or went."""
        told: frozenset[Told] = frozenset()
        while True:
            self._news.clear()
            batch = self._found()
            there = frozenset((each.peer, each.endpoint) for each in batch)
            gone = [Candidate(peer, endpoint, PRIORITY, 0.0) for peer, endpoint in sorted(told - there, key=str)]
            told = there
            if batch or gone:
                yield [*gone, *batch]
            await self._news.wait()

    def _found(self) -> list[Candidate]:
        mesh, found = self._around.mesh, []
        wall = mesh.parts.wall()
        for registrations in self._machine.following.found(wall).values():
            for each in registrations:
                peer = mesh.peer_of(identity_text(each.member))
                if peer is not None:
                    places = self._around.gossip.endpoints_of(each.as_row())[:MOST]
                    ttl = each.record.expires - wall
                    found += [Candidate(peer, place, PRIORITY + number, ttl) for number, place in enumerate(places)]
        return found

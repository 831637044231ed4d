"""Rounds over the bootstrap list: addresses are told at once, names are looked up one after the other, and so on.

    round n    everything that needs no look-up, in one batch
               then a batch for each name; a peer whose name is unknown is reported and goes to the back of round n + 1
    pause      `refresh`, or less while names are missing; none when the peers of the profile change

The core connects to whatever it is told of; telling it is all that connecting at start needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from appliance.api.discovery import Candidate, DiscoveryServices
from appliance.api.values import Endpoint, is_address
from appliance_discovery_bootstrap.rotation import Rotation

if TYPE_CHECKING:
    from appliance.api.services import Stats
    from appliance_discovery_bootstrap.settings import BootstrapSettings

ADDRESSES_PER_NAME: Final = 16
"""More addresses of one name are left out. No honest name has so many, and each is tried."""
ROUNDS_REMEMBERED: Final = 2
"""A candidate that was not renewed in so many rounds is forgotten."""
FIRST_RETRY: Final = 2.0
"""Seconds until missing names are asked for again; doubled each time, up to `refresh`."""
SPREAD: Final = 0.2
"""The part of a pause that is random."""

Peers = Mapping[str, Sequence[Endpoint]]


class Bootstrap:
    """A `Discoverer` of `appliance.api.discovery`."""

    def __init__(self, services: DiscoveryServices, settings: BootstrapSettings) -> None:
        self._services = services
        self._refresh = settings.refresh
        self._listed = frozenset(settings.peers)
        self._rotation = Rotation(moving=settings.rotate)
        self._known: dict[tuple[str, int], list[str]] = {}
        self._misses = self._rounds = 0

    async def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
        """Rounds for ever."""
        while True:
            peers = self._peers()
            order = self._rotation.round(peers)
            if written := [candidate for name in order for candidate in self._written(name, peers[name])]:
                yield written
            complete = True
            for name, index, endpoint in _names(order, peers):
                addresses, found = await self._look_up(name, endpoint)
                complete = complete and found
                if addresses:
                    yield [self._candidate(name, endpoint, index, nth, host) for nth, host in enumerate(addresses)]
            self._misses = 0 if complete else self._misses + 1
            self._rounds += 1
            await self._services.changed(self._pause())

    def stats(self) -> Stats:
        """`misses`: rounds in a row in which a name could not be looked up."""
        return {"rounds": self._rounds, "names": len(self._known), "misses": self._misses}

    def _peers(self) -> Peers:
        """The bootstrap list, as the profile has it now."""
        return {
            name: endpoints
            for name, endpoints in self._services.configured()
            if endpoints and (not self._listed or name in self._listed)
        }

    def _written(self, peer: str, endpoints: Sequence[Endpoint]) -> list[Candidate]:
        return [
            self._candidate(peer, endpoint, index, 0, endpoint.host)
            for index, endpoint in enumerate(endpoints)
            if not _is_named(endpoint)
        ]

    async def _look_up(self, peer: str, endpoint: Endpoint) -> tuple[list[str], bool]:
        """Addresses of a name, and whether they are new. While the name cannot be found, its last addresses go on being used."""
        name = endpoint.host, endpoint.port
        try:
            found = await self._services.resolve(*name)
        except OSError as error:
            self._rotation.failed(peer)
            self._services.report(f"peer {peer}: {endpoint} has no address to use: {error.strerror or error}")
            return self._known.get(name, []), False
        self._known[name] = list(dict.fromkeys(found))[:ADDRESSES_PER_NAME]
        return self._known[name], True

    def _candidate(self, peer: str, endpoint: Endpoint, index: int, nth: int, host: str) -> Candidate:
        priority = index * ADDRESSES_PER_NAME + nth
        return Candidate(peer, endpoint._replace(host=host), priority, ROUNDS_REMEMBERED * self._refresh)

    def _pause(self) -> float:
        pause = self._refresh
        if self._misses:
            pause = min(pause, FIRST_RETRY * 2 ** min(self._misses - 1, 20))
        return pause * (1 - SPREAD / 2 + SPREAD * self._services.jitter())


def _names(order: Sequence[str], peers: Peers) -> list[tuple[str, int, Endpoint]]:
    """What has to be looked up, in this order: peer, place in its list, endpoint."""
    return [(name, index, endpoint) for name in order for index, endpoint in enumerate(peers[name]) if _is_named(endpoint)]


def _is_named(endpoint: Endpoint) -> bool:
    return bool(endpoint.host) and not is_address(endpoint.host)

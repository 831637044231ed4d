"""Where a node answers questions for names, for whom, and what it knows.

The address is bound before it is there, so that a port in use is found before the host is told to ask here. When the overlay's
device is another one, it is bound anew.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import HostError
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.planning.naming import Naming, naming
from appliance.runtime.names import upstream
from appliance.runtime.names.book import Book
from appliance.runtime.names.forwarder import Forwarder
from appliance.runtime.names.server import NameServer
from appliance.runtime.names.sockets import bind
from appliance.runtime.names.zone import Zone
from appliance.runtime.peers.table import Address, PeerTable

if TYPE_CHECKING:
    from appliance.api.profile import Profile

log = get_logger("names")

LOOK_SECONDS: Final = 2.0
"""How often it is looked whether the overlay's device is still the one that questions come over."""


class Answering:
    """All addresses at which one node answers."""

    def __init__(self, table: PeerTable, called: Callable[[], str], profile: Profile) -> None:
        self._profile = profile
        self._book = Book(table, called, profile)
        self._counted: Counter[str] = Counter()
        self._forwarder = Forwarder(tuple, self._counted)
        self._serving: dict[Address, NameServer] = {}
        self._index = 0
        """The number of the device that questions come over; 0: of none yet."""
        self._tasks = Tasks()
        self.problem = ""

    async def open(self, profile: Profile) -> None:
        """Answer at the address of `profile`, besides those before. Raises HostError if its port cannot be had, and programs of
        this host are to ask there."""
        wanted = naming(profile)
        if wanted is None or wanted.address in self._serving:
            return
        try:
            await self._serve(profile, wanted)
        except HostError as error:
            if wanted.told:
                raise
            self._say(error.message)

    async def use(self, profile: Profile) -> None:
        """This profile is in force, and the host is as it says: answer that, and close what it does not want."""
        moved = profile.network.interface != self._profile.network.interface
        wanted, self._profile = naming(profile), profile
        self._book.use(profile)
        for address in [one for one in self._serving if wanted is None or one != wanted.address]:
            await self._serving.pop(address).close()
            self._index = 0
        await self._tasks.close()
        if wanted is None:
            return
        self._forwarder.use(_servers(wanted))
        for server in self._serving.values():
            self._tell(server, profile, wanted)
        if moved and self._index:
            await self._bind_anew(wanted)
        self._tasks.spawn(self._follow_device(wanted), "the device that names are asked over")

    async def close(self) -> None:
        """Answer nobody any more."""
        await self._tasks.close()
        for server in self._serving.values():
            await server.close()
        self._serving.clear()

    def shown(self) -> dict[str, Any]:
        """For `status`."""
        wanted = naming(self._profile)
        assert wanted is not None
        return {
            "label": wanted.label,
            "address": str(wanted.address),
            "serve": "peers" if wanted.peers else "host",
            "servers": list(self._forwarder.servers()),
            "questions": dict(self._counted),
        }

    # ---- parts ----

    async def _serve(self, profile: Profile, wanted: Naming) -> None:
        server = NameServer(bind(wanted.address), self._zone(profile, wanted), self._forwarder, self._counted)
        server.peers = wanted.peers
        await server.start()
        self._serving[wanted.address] = server

    def _tell(self, server: NameServer, profile: Profile, wanted: Naming) -> None:
        server.zone, server.peers = self._zone(profile, wanted), wanted.peers

    def _zone(self, profile: Profile, wanted: Naming) -> Zone:
        networks = [address.network for address in profile.network.addresses]
        return Zone(wanted.label, networks, self._book.lookup, self._book.reverse)

    async def _follow_device(self, wanted: Naming) -> None:
        """Hear the device that the overlay has now."""
        while True:
            index = _index_of(self._profile.network.interface)
            if index and index != self._index:
                try:
                    if self._index or wanted.address not in self._serving:
                        await self._bind_anew(wanted)
                    self._serving[wanted.address].attach(self._profile.network.interface)
                    self._index, self.problem = index, ""
                except (HostError, OSError) as error:
                    self._say(error.message if isinstance(error, HostError) else f"it cannot be bound: {error.strerror}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _bind_anew(self, wanted: Naming) -> None:
        self._index = 0
        before = self._serving.pop(wanted.address, None)
        if before is not None:
            await before.close()
        await self._serve(self._profile, wanted)

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("questions for names get no answer", reason=problem)
        self.problem = problem


def _servers(wanted: Naming) -> Callable[[], Sequence[str]]:
    """Who knows all other names."""
    return (lambda: wanted.servers) if wanted.servers else upstream.of_host(lambda: str(wanted.address))


def _index_of(interface: str) -> int:
    """The kernel's number of it; 0 if there is none."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0

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

    def __init__(self, table: PeerTable, profile: Profile) -> None:
        self._profile = profile
        self._book = Book(table, profile)
        self._counted: Counter[str] = Counter()
        self._forwarder = Forwarder(_servers(profile), self._counted)
        self._serving: dict[Address, NameServer] = {}
        self._index = 0
        """The number of the device that questions come over; 0: of none yet."""
        self._tasks = Tasks()
        self.problem = ""

    async def open(self, profile: Profile) -> None:
        """Answer at the address of `profile`, besides those before. Raises HostError if its port cannot be had."""
        if profile.names is not None and _address(profile) not in self._serving:
            await self._serve(profile)

    async def use(self, profile: Profile) -> None:
        """This profile is in force, and the host is as it says: answer that, and close what it does not want."""
        moved = profile.network.interface != self._profile.network.interface
        self._profile = profile
        self._book.use(profile)
        self._forwarder.use(_servers(profile))
        for address in [one for one in self._serving if profile.names is None or one != _address(profile)]:
            await self._serving.pop(address).close()
            self._index = 0
        for server in self._serving.values():
            self._tell(server, profile)
        await self._tasks.close()
        if profile.names is not None:
            if moved and self._index:
                await self._bind_anew()
            self._tasks.spawn(self._follow_device(), "the device that names are asked over")

    async def close(self) -> None:
        """Answer nobody any more."""
        await self._tasks.close()
        for server in self._serving.values():
            await server.close()
        self._serving.clear()

    def shown(self) -> dict[str, Any] | None:
        """For `status`: None if this node answers no names."""
        names = self._profile.names
        if names is None:
            return None
        return {
            "label": names.label,
            "address": str(_address(self._profile)),
            "serve": names.serve,
            "servers": list(self._forwarder.servers()),
            "questions": dict(self._counted),
        }

    # ---- parts ----

    async def _serve(self, profile: Profile) -> None:
        address = _address(profile)
        server = NameServer(bind(address), self._zone(profile), self._forwarder, self._counted)
        self._tell(server, profile)
        await server.start()
        self._serving[address] = server

    def _tell(self, server: NameServer, profile: Profile) -> None:
        assert profile.names is not None
        server.zone = self._zone(profile)
        server.peers = profile.names.serve == "peers"

    def _zone(self, profile: Profile) -> Zone:
        assert profile.names is not None
        networks = [address.network for address in profile.network.addresses]
        return Zone(profile.names.label, networks, self._book.lookup, self._book.reverse)

    async def _follow_device(self) -> None:
        """Hear the device that the overlay has now."""
        while True:
            index = _index_of(self._profile.network.interface)
            if index and index != self._index:
                try:
                    if self._index:
                        await self._bind_anew()
                    self._serving[_address(self._profile)].attach(self._profile.network.interface)
                    self._index, self.problem = index, ""
                except (HostError, OSError) as error:
                    self._say(error.message if isinstance(error, HostError) else f"it cannot be bound: {error.strerror}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _bind_anew(self) -> None:
        self._index = 0
        before = self._serving.pop(_address(self._profile), None)
        if before is not None:
            await before.close()
        await self._serve(self._profile)

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("questions for names get no answer", reason=problem)
        self.problem = problem


def _address(profile: Profile) -> Address:
    """Where this node answers."""
    return profile.network.addresses[0].ip


def _servers(profile: Profile) -> Callable[[], Sequence[str]]:
    """Who knows all other names."""
    if profile.names is not None and profile.names.servers:
        fixed = [str(server) for server in profile.names.servers]
        return lambda: fixed
    return upstream.of_host(lambda: str(_address(profile)))


def _index_of(interface: str) -> int:
    """The kernel's number of it; 0 if there is none."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0

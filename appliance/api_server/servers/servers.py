"""The servers of plugins: connections are let in for them as for the API itself, counted and behind TLS where that is spoken."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from socket import socket
from typing import Any, Final, Protocol

from appliance.api.kinds import settings_of
from appliance.api.profile_management import Management
from appliance.api.server_settings import ServerSettings, for_the_core
from appliance.api.servers import Server
from appliance.api.services import Stats
from appliance.api_server.edge.acceptor import Acceptor
from appliance.api_server.edge.figures import Figures
from appliance.api_server.edge.limits import Deadlines, Seats
from appliance.api_server.edge.origins import is_own_page, meant_for
from appliance.api_server.plugins.kinds import Kinds
from appliance.api_server.plugins.services import Joints, PartServices
from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError
from appliance.foundation.entropy import random_bytes

HANDSHAKE_SECONDS: Final = Deadlines().handshake

TABLE_SECONDS: Final = 30.0
LETTER_SECONDS: Final = 30.0
"""How long the node may take: it makes a session first."""
NOTHING_FOUND: Final = "NothingFound"
"""What the node says where nobody has it (`runtime.knowledge.dht_questions`)."""
SHUT: Final = "it listens nowhere: `appliance health` on the node says why"

Context = Callable[[socket], ssl.SSLContext | None]
"""The TLS to speak at a listener now; None: none. Raises OSError while there is no certificate."""


def settings_of_servers(kinds: Kinds, management: Management) -> dict[str, ServerSettings]:
    """The core's keys of those that the section names. What a plugin has no right settings for is left out: opening says why."""
    found = {}
    for name, written in management.servers.items():
        try:
            found[name] = for_the_core(settings_of(kinds["servers"][name].kind, written))
        except Exception:  # noqa: BLE001, S112  whatever it is, it is the plugin's
            continue
    return found


class Node(Protocol):
    """What servers have asked of the node: `NodeLink` is one."""

    async def ask(self, op: str, arguments: Mapping[str, Any], whose: OnBehalf | None, seconds: float) -> Any:
        """An answer. Raises ApplianceError, TimeoutError."""

    def follow(self, op: str, arguments: Mapping[str, Any], whose: OnBehalf | None) -> AsyncGenerator[Any, None]:
        """The items of a stream."""


class Servers:
    """`doors` are the sockets at which each listens, by its name."""

    def __init__(
        self,
        settings: Mapping[str, ServerSettings],
        doors: Mapping[str, Sequence[socket]],
        names: Iterable[str],
        context: Context,
        node: Node,
        too_short: Callable[[], str] = str,
    ) -> None:
        """`names` of this host may stand in a request's address, beside those that the edge takes. `too_short` as of
        `Acceptor`: who connects to a server is a stranger."""
        self._settings = settings
        self._doors = doors
        self._names = frozenset(names)
        self._context = context
        self._node = node
        self._too_short = too_short
        self._services: dict[str, _Services] = {}

    @property
    def listeners(self) -> list[socket]:
        """All of them."""
        return [listener for found in self._doors.values() for listener in found]

    def services(self, joints: Joints, plugin: str, key: str, name: str) -> PartServices:
        """What one of them gets."""
        made = self._services[name] = _Services(self._names, self._node, joints, plugin, key, name)
        return made

    async def use(self, name: str, server: Server) -> None:
        """Let connections in for that one until this is cancelled."""
        limits, figures = self._settings[name], Figures()
        seats = Seats(limits.connections, limits.per_address)
        services = self._services[name]
        if not self._doors.get(name):
            services.report(SHUT)
        services.stats_from(lambda: _figures(seats, figures))
        acceptors = [
            Acceptor(each, server.connection, partial(self._context, each), seats, figures, HANDSHAKE_SECONDS, self._too_short)
            for each in self._doors.get(name, ())
        ]
        try:
            await asyncio.Event().wait()
        finally:
            for each in acceptors:
                each.close()


def _figures(seats: Seats, figures: Figures) -> Stats:
    return {"seats": seats.taken, "accepted": figures.accepted, **{f"refused {why}": n for why, n in figures.refused.items()}}


class _Services(PartServices):
    """`api.servers.ServerServices`."""

    def __init__(self, names: frozenset[str], node: Node, joints: Joints, plugin: str, key: str, name: str) -> None:
        super().__init__(joints, plugin, key, name)
        self._names = names
        self._node = node

    async def provide(self, key: str, seconds: float) -> None:
        """See the protocol."""
        how: dict[str, Any] = {"seconds": seconds} if seconds else {"withdraw": True}
        await self._node.ask("api_provide", {"key": key, **how}, None, TABLE_SECONDS)

    async def providers(self, key: str) -> Sequence[str]:
        """See the protocol."""
        try:
            found = await self._node.ask("dht.providers", {"key": key}, None, TABLE_SECONDS)
        except ApplianceError as error:
            if error.code == NOTHING_FOUND:
                return []
            raise
        return [each["identity"] for each in found["providers"] if each["identity"] != self.identity]

    async def send(self, member: str, content: bytes) -> None:
        """See the protocol."""
        letter = {"server": self._name, "to": member, "content": base64.b64encode(content).decode()}
        await self._node.ask("api_letter", letter, None, LETTER_SECONDS)

    async def letters(self) -> AsyncGenerator[tuple[str, bytes], None]:
        """See the protocol."""
        async with aclosing(self._node.follow("api_letters", {"server": self._name}, None)) as items:
            async for item in items:
                if item["from"]:
                    yield item["from"], base64.b64decode(item["content"])

    def random(self, count: int) -> bytes:
        """See the protocol."""
        return random_bytes(count)

    def is_own_page(self, host: str, origin: str | None, at: str, *, secure: bool) -> bool:
        """See the protocol."""
        headers = {"host": host} | ({} if origin is None else {"origin": origin})
        return meant_for(host, at, self._names) and is_own_page(headers, "https" if secure else "http", ())

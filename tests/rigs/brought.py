"""Two nodes in one process, joined by discovery alone: what it brings is a peer as far as the profile lets it.

python -m rigs.brought        prints what happened, as JSON
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

from rigs.packets import A4, B4, udp4
from rigs.two_nodes import SECONDS, Hostless, cross

from appliance.api import ENTRY_POINT_GROUP
from appliance.api.discovery import BroughtPeer, DiscoveryKind, DiscoveryServices
from appliance.api.hookspecs import hookimpl
from appliance.api.profile import Profile
from appliance.api.values import Endpoint
from appliance.plugin_host import PluginHost
from appliance.plugin_host.installed import Installed, installed
from appliance.protocol.identity import Identity
from appliance.runtime.node_runtime import NodeRuntime
from appliance.runtime.workers.packet_device import packet_pair

PACKETS = 50
Lists = asyncio.Queue[list[BroughtPeer]]


class Mesh:
    """Brings what the test puts into `lists`."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    async def peers(self) -> AsyncIterator[Sequence[BroughtPeer]]:
        while True:
            yield await self._lists.get()


class InMemory(Installed):
    """A plugin that is here."""

    namespace: object

    def load(self) -> object:
        return self.namespace


class Brought(Hostless):
    """A node whose profile names nobody."""

    def __init__(self, number: int, identity: Identity, listen: list[Endpoint], peers_from: dict[str, Any]) -> None:
        self.lists: Lists = asyncio.Queue()
        self.profile = self.profile_with(number, listen, peers_from)
        device, self.application = packet_pair()
        self.application.settimeout(0)
        self.devices, self.applications = (device,), (self.application,)
        self.node = NodeRuntime(self.profile, self._plugins(), identity)

    def profile_with(self, number: int, listen: list[Endpoint], peers_from: dict[str, Any]) -> Profile:
        network = {"addresses": [f"10.8.0.{number}/24"], "workers": 1}
        return Profile.model_validate(
            {
                "profile": 1,
                "name": f"node-{number}",
                "server": {"listen": listen},
                "network": network,
                "discovery": {"mesh": {}},
                "peers_from": peers_from,
            }
        )

    def _plugins(self) -> PluginHost:
        def opened(_settings: None, _services: DiscoveryServices) -> Mesh:
            return Mesh(self.lists)

        kind = DiscoveryKind("mesh", None, opened)
        plugin = InMemory("mesh", EntryPoint("mesh", "rigs.brought", ENTRY_POINT_GROUP), "mesh", "1")
        plugin.namespace = SimpleNamespace(appliance_discovery=hookimpl(lambda: (kind,)))
        return PluginHost.load([*self.profile.plugins, "mesh"], {**installed(), "mesh": plugin})


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  what it waits for calls nobody
        await asyncio.sleep(0.01)


def _told(node: Brought) -> dict[str, Any]:
    peers = {entry.name: str(entry.origin) for entry in node.node.peers.table}
    return {"peers": peers, "stats": node.node.brought.stats(), "health": node.node.health().problems}


async def main() -> dict[str, Any]:
    """Bring two nodes together, move packets, let one go again; and what is brought without the profile's word."""
    first, second = Identity.generate(), Identity.generate()
    allowed = {"mesh": {"allowed": ["10.8.0.0/24"]}}
    said: dict[str, Any] = {}
    async with asyncio.timeout(SECONDS):
        async with Brought(1, first, [Endpoint("udp", "127.0.0.1", 0)], allowed) as a:
            (bound,) = a.node.transports.bound.values()
            async with Brought(2, second, [], {}) as b:
                b_is = BroughtPeer("b", second.fingerprint, (ipaddress.ip_network("10.8.0.2/32"),))
                a_is = BroughtPeer("a", first.fingerprint, (ipaddress.ip_network("10.8.0.1/32"),), (bound,))
                a.lists.put_nowait([b_is])
                b.lists.put_nowait([a_is])
                await until(lambda: bool(b.node.brought.refused))
                said["without a word"] = _told(b)
                await b.node.use(b.profile_with(2, [], allowed))
                await until(lambda: a.node.driver.connected_peers() == {"b"} and b.node.driver.connected_peers() == {"a"})
                there = [udp4(100 + each, each, A4, B4) for each in range(PACKETS)]
                said["moved"] = await cross(a, b, there)
                said["together"] = [_told(a), _told(b)]
                b.lists.put_nowait([])
                await until(lambda: not b.node.driver.connected_peers() and not a.node.driver.connected_peers())
                said["apart"] = _told(b)
    return said


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))

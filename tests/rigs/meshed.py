"""Nodes with a mesh on a simulated network, in virtual time: the real control machine, table of peers, mesh and family."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from appliance.api.peer_protocol import PeerProtocolKind
from appliance.api.profile import Profile
from appliance.api.values import Endpoint
from appliance.members.network import NetworkKey
from appliance.protocol.control_channel import ControlChannel
from appliance.protocol.settings import NodeSettings
from appliance.runtime.members.mesh import MeshParts
from appliance.runtime.members.mesh_runtime import MeshRuntime
from appliance.runtime.members.network_folder import NetworkFolder
from appliance.runtime.peers.peers import Peers
from appliance.runtime.peers.protocols import PeerProtocols
from appliance.runtime.peers.table import Delta, PeerTable, of_profile
from appliance.testing.network import Network
from appliance.testing.pair import PORT, identity_of
from appliance.testing.peer_protocol import TURNS
from appliance.testing.simulated_host import SimulatedHost
from tests.unit.members.signed import NETWORK, NOW

PATIENCE = 0.001


class MeshedHost:
    """One node. `statements` are what its admin laid into its folder; `first` whom it calls first."""

    def __init__(
        self,
        network: Network,
        folder: Path,
        name: str,
        address: str,
        statements: Sequence[bytes],
        first: Sequence[tuple[str, str]] = (),
        mesh: dict[str, Any] | None = None,
        peers: Sequence[dict[str, Any]] = (),
        key: NetworkKey = NETWORK,
        more: Callable[[MeshRuntime], Iterable[PeerProtocolKind]] = lambda _runtime: (),
        clock_ahead: float = 0.0,
    ) -> None:
        """`more`: families that are spoken besides those of the mesh."""
        self._more = more
        self.clock_ahead = clock_ahead
        """Seconds; below zero it is behind."""
        self.network, self.name, self.address = network, name, address
        self.identity = identity_of(name)
        self.folder = NetworkFolder(folder / f"mesh-{name}")
        self.folder.make()
        self.folder.keep_network(key)
        self.folder.keep_statements(statements)
        known = [{"identity": identity_of(who).fingerprint, "endpoints": [f"udp://{at}:{PORT}"]} for who, at in first]
        section = {"network": key.fingerprint, "label": "home", "overlay": ["10.7.0.0/16"], "bootstrap": known} | (mesh or {})
        self.profile = Profile.model_validate({"profile": 1, "mesh": section, "peers": list(peers)})
        self.start()

    def start(self) -> None:
        """A fresh process."""
        self.host = SimulatedHost(
            self.network,
            self.address,
            NodeSettings(probation=16),
            self.identity,
            peers=[entry.settings for entry in of_profile(self.profile.peers)],
            listen=(Endpoint("udp", self.address, PORT),),
        )
        clock = self.network.clock
        self.node, self.strangers = self.host.node, SimpleNamespace(listener=None)
        table = PeerTable(of_profile(self.profile.peers), (), self.profile.mesh.overlay if self.profile.mesh else ())
        self.peers = Peers(table, _Nobody(), self, _Nobody(), lambda: False)  # type: ignore[arg-type]
        self.certificates_changed = 0
        parts = MeshParts(
            self.identity,
            self.folder,
            self.folder.trust(int(self._wall()), self.identity.fingerprint),
            self,  # type: ignore[arg-type]
            self.peers,
            _resolve,
            self._changed,
            wall=self._wall,
            monotonic=lambda: clock.now,
            sleep=self._sleep,
        )
        self.runtime = MeshRuntime(self.profile, parts)
        self.mesh = self.runtime.mesh
        self.kinds = {**self.runtime.kinds, **{kind.name: kind for kind in self._more(self.runtime)}}
        self.protocols = PeerProtocols({}, self, core=self.kinds, now=lambda: clock.now, sleep=self._sleep)
        self.host.listener = self.protocols.hear

    async def begin(self) -> None:
        await self.runtime.start()
        self.runtime.call()
        await self.protocols.use({name: {} for name in self.kinds})
        self.settle()

    async def stop(self) -> None:
        await self.runtime.close()
        await self.protocols.close()
        self.host.kill()

    # ---- what a mesh takes for a driver and for who follows the table ----

    @property
    def control(self) -> ControlChannel:
        return self.node.control

    def settle(self) -> None:
        self.host.pump()

    def connected_peers(self) -> frozenset[str]:
        return frozenset(self.connected())

    def follow(self, delta: Delta) -> None:
        for gone in delta.removed:
            self.node.drop_peer(gone.name, self.network.now)
        for _, after in delta.changed:
            self.node.change_peer(after.settings, self.network.now)
        for new in delta.added:
            self.node.add_peer(new.settings, self.network.now)
        self.network.clock.call_later(0.0, self.settle)

    def _wall(self) -> float:
        return NOW + self.network.clock.now + self.clock_ahead

    def _changed(self) -> None:
        self.certificates_changed += 1

    async def _sleep(self, seconds: float) -> None:
        awake = asyncio.get_running_loop().create_future()
        self.network.clock.call_later(seconds, lambda: awake.done() or awake.set_result(None))
        await awake

    # ---- what tests ask ----

    def knows(self) -> list[str]:
        """Names in its table of peers."""
        return sorted(entry.name for entry in self.peers.table)

    def connected(self) -> list[str]:
        """With whom it has an ordinary session."""
        return sorted({each.peer for each in self.node.sessions.values() if each.proved and each.peer in self.host.sending})


class Meshed:
    """Several of them, and the time that passes for all."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.network = Network(seed=seed, mtu=65535)  # simulated hosts do not cut records
        self.folder = folder
        self.hosts: list[MeshedHost] = []

    async def add(self, name: str, address: str, *statements: Any, **words: Any) -> MeshedHost:
        """One more, which begins at once. `statements` have an `encoded`."""
        made = MeshedHost(self.network, self.folder, name, address, [each.encoded for each in statements], **words)
        self.hosts.append(made)
        await made.begin()
        return made

    async def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Let time pass until it is so. Raises TimeoutError."""
        limit = self.network.now + seconds
        while not condition():
            await self._turn()
            if not condition() and not self.network.clock.advance(limit):
                await self._turn()
                if not condition():
                    raise TimeoutError(f"not within {seconds:g} s")

    async def pause(self, seconds: float) -> None:
        """Let so much time pass."""
        limit = self.network.now + seconds
        await self._turn()
        while self.network.clock.advance(limit):
            await self._turn()

    async def close(self) -> None:
        """End all."""
        for host in self.hosts:
            await host.stop()

    async def _turn(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        while not all(host.protocols.idle for host in self.hosts):  # noqa: ASYNC110  it wakes by real time
            await asyncio.sleep(PATIENCE)


class _Nobody:
    """Follows the table and does nothing."""

    def follow(self, _delta: Delta, **_words: Any) -> None: ...

    def part(self, _delta: Delta) -> None: ...


async def _resolve(host: str, _port: int) -> list[str]:
    if host == "server.example":
        return ["198.51.100.1"]
    raise OSError("no such name")


def run(story: Callable[[Meshed], Awaitable[None]], folder: Path) -> None:
    """Tell a story of several nodes."""

    async def tell() -> None:
        meshed = Meshed(folder)
        try:
            await story(meshed)
        finally:
            await meshed.close()

    asyncio.run(tell())


@contextmanager
def silent(host: MeshedHost) -> Iterator[None]:
    """The host is off the network meanwhile."""
    host.network.take_down(host.address)
    yield
    host.network.bring_up(host.address)

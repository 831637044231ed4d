"""A node: who it is, its peers, its sockets and its workers, put together, started in order, stopped in reverse.

    listening sockets ─ workers on packet devices ─ control machine ─ discovery ─ monitors ─ plugins' lifespans

It changes no host, needs no root, and several run in one process: what it reads and writes packets by is handed to it, and so is
what a host would know (`Around`). `hosted_node` puts a host around it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from appliance.api.events import ProfileChanged
from appliance.foundation import clock, entropy
from appliance.foundation.gathering import Gathered
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.planning.membership import reserved
from appliance.protocol.node import Node
from appliance.runtime import settings
from appliance.runtime.around import Around
from appliance.runtime.figures import Figures
from appliance.runtime.health import OK, Health
from appliance.runtime.lifespan import Lifespan
from appliance.runtime.links.table import Link, Links
from appliance.runtime.links.transports import Transports
from appliance.runtime.node.driver import NodeDriver
from appliance.runtime.node_view import NodeView, Seen
from appliance.runtime.optional_parts import Needed, OptionalParts
from appliance.runtime.peers.discovery import Discovery
from appliance.runtime.peers.forwarding import Forwarding
from appliance.runtime.peers.peers import Peers
from appliance.runtime.peers.protocols import PeerProtocols
from appliance.runtime.peers.router import OpenRouter, open_router
from appliance.runtime.peers.sources import Brought
from appliance.runtime.peers.table import Address, PeerTable, of_profile
from appliance.runtime.plugins import lifespans
from appliance.runtime.plugins.account import Part, PluginAccount
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.monitors import Monitors
from appliance.runtime.workers.faults import WorkerFaults
from appliance.runtime.workers.keeper import WorkerKeeper

if TYPE_CHECKING:
    from appliance.api.crypto import CryptoSuite
    from appliance.api.profile import Profile
    from appliance.plugin_host import PluginHost
    from appliance.protocol.events import ControlEvent
    from appliance.protocol.identity import Identity
    from appliance.protocol.settings import NodeSettings
    from appliance.runtime.members.mesh_runtime import MeshRuntime
    from appliance.runtime.workers.packet_device import PacketDevice
    from appliance.runtime.workers.process import WorkerProcess

log = get_logger("node")

ASK_ROUTER_SECONDS: Final = 0.1
"""Between a router's wish to be asked again and the question, so that many wishes are one."""


class NodeRuntime:
    """A node and its parts. What starts is put on `lifespan`, so that whoever has put more on it stops all in one order."""

    def __init__(
        self,
        profile: Profile,
        plugins: PluginHost,
        identity: Identity,
        around: Around | None = None,
        lifespan: Lifespan | None = None,
    ) -> None:
        self.profile = profile
        self.plugins = plugins
        self.identity = identity
        self.around = around = around or Around()
        self.lifespan = lifespan or Lifespan()
        self.tasks = Tasks()
        self.calls = PluginCalls(PluginAccount(plugins), lambda: self.profile, around.kept)
        self.ready = False
        """All has started, and nothing has begun to stop."""
        self._refused_suites: set[str] = set()
        self._ask_router = Gathered(lambda: self.forwarding.ask(), ASK_ROUTER_SECONDS)  # noqa: PLW0108  made below
        table = PeerTable(of_profile(profile.peers), _own(profile), reserved(profile))
        suites = settings.usable_suites(profile, plugins)
        node = _control_machine(profile, identity, suites, table)
        self.links = Links()
        faults = WorkerFaults(plugins, self.calls, self._needs, self._give_up)
        self.keeper = WorkerKeeper(
            self.links, around.keep_pids, suites, _drivers(plugins), _Knowledge(self), faults, around.dropped
        )
        self.driver = NodeDriver(
            node,
            self.links,
            self.keeper.pool,
            rotate_bytes=profile.crypto.rotate.bytes,
            connected=lambda: self.forwarding.sessions_changed(),  # noqa: PLW0108  made below
            remember=around.remember,
            refuses=around.refuses,
        )
        self.transports = Transports(
            plugins.transports,
            self.links,
            self.driver,
            settings.datagram_bytes(profile),
            around.mark,
            around.refuses,
            self.calls,
            profile.transports,
        )
        self.driver.transports = self.transports
        self.forwarding = Forwarding(
            self.open_router(profile), profile, table, self.driver.connected_peers, lambda: self.keeper.current, self.calls
        )
        self.discovery = Discovery(
            plugins.discovery,
            self.driver.on_candidates,
            table,
            self.calls,
            around.refuses,
            identity.fingerprint,
            lambda: tuple(self.transports.bound.values()),
        )
        self.peers = Peers(table, self.forwarding, self.driver, self.discovery, lambda: self.keeper.compression)
        self.brought = self.discovery.brought = Brought(self.peers)
        self.figures = Figures(self.driver, self.keeper, self.health, around.turns, since=clock.monotonic())
        self.figures.protocols = lambda: self.optional.spoken(self.protocols.figures())
        self.figures.name, self.figures.scheduled = profile.name, profile.qos is not None
        self.figures.state = around.state
        self.optional = OptionalParts(
            Needed(
                profile=lambda: self.profile,
                identity=identity,
                plugins=plugins,
                around=around,
                lifespan=self.lifespan,
                links=self.links,
                keeper=self.keeper,
                driver=self.driver,
                transports=self.transports,
                discovery=self.discovery,
                peers=self.peers,
                figures=self.figures,
            )
        )
        self.protocols = PeerProtocols(plugins.protocols, self.driver, self.calls, core=self.optional.core)
        self.driver.control_listener = self._hear
        self.monitors = Monitors(plugins.monitors, self.figures, self.calls)
        self._seen = Seen(lambda: self.profile, self.identity.fingerprint, self.figures, self.driver, table)

    # ---- life ----

    def prepare(self) -> None:
        """Start the workers' processes already, so that their imports are done when there are devices for them."""
        self.lifespan.push("worker", self.keeper.stop, essential=True)
        self.keeper.prepare(self.driver, settings.worker_slots(self.profile), settings.workers(self.profile))

    async def listen(self) -> None:
        """Open the listening sockets. Raises HostError for one that cannot be had."""
        self.lifespan.push("transports", self.transports.close)
        await self.transports.listen(self.profile.server.listen)

    async def attach(self, devices: Sequence[PacketDevice], profile: Profile | None = None) -> None:
        """Start a worker on each device, as `profile` wants them (the one in force when None)."""
        wanted = profile or self.profile
        await self.keeper.start(
            tuple(devices), self.driver, settings.worker_slots(wanted), compression=settings.compresses(wanted)
        )

    async def begin(self) -> None:
        """Dial, discover, and let monitors and plugins run: there are listening sockets and workers."""
        self.lifespan.push("tasks", self.tasks.close)
        self.lifespan.push("node", self.driver.close)
        self.lifespan.push("transports", self.transports.close)
        await self.optional.begin(self.profile)
        self.driver.start(self.around.recall())
        self.lifespan.push("routing", self._close_routing)
        self.lifespan.push("peer protocols", self.protocols.close)
        await self.protocols.use(self._families(self.profile))
        await self.optional.open(self.profile)
        self.lifespan.push("discovery", self.discovery.close)
        await self.brought.use(self.profile.peers_from)
        self.discovery.start(self.profile)
        self.optional.call()
        self.lifespan.push("monitors", self.monitors.close)
        await self.monitors.use(self.profile.monitoring)
        await lifespans.enter_all(self.plugins.lifespans(self._view), self.calls, self.lifespan.push)

    async def start(self, devices: Sequence[PacketDevice]) -> None:
        """All of it, one after the other. What has started by then is stopped by `stop` when it raises."""
        self.prepare()
        await self.listen()
        await self.attach(devices)
        await self.begin()
        self.ready = True

    async def stop(self) -> list[str]:
        """Stop everything. Returns the names of parts that failed at it or took too long."""
        self.ready = False
        return await self.lifespan.unwind()

    async def use(self, profile: Profile, router: OpenRouter | None = None) -> None:
        """Take over a changed profile; sessions that it leaves alone go on. `router`: a new one, where `routing` changed.

        The host is as the profile says already, and it listens at the profile's endpoints too.
        """
        before, self.profile = self.profile, profile
        await self.transports.listen(profile.server.listen)
        self.figures.name, self.figures.scheduled = profile.name, profile.qos is not None
        self.forwarding.use(profile, router)
        qos = settings.scheduling(profile)
        if self.keeper.current is not None and qos != settings.scheduling(before):
            self.keeper.current.set_qos(qos)
        self.peers.use_profile(of_profile(profile.peers), _own(profile), reserved(profile))
        await self.optional.use(profile)
        await self.brought.use(profile.peers_from)
        self.driver.update(self._settings(profile), profile.crypto.rotate.bytes)
        await self.discovery.use(profile)
        await self.protocols.use(self._families(profile))
        await self.optional.settle(profile)
        await self.monitors.use(profile.monitoring)
        for view in list(self._seen.views):
            view.tell(ProfileChanged(profile.name))

    # ---- another list of plugins ----

    def take_plugins(self, plugins: PluginHost) -> Callable[[], None]:
        """Have the kinds of `plugins` from now on; what is open stays so until `use`. Returns what takes it back."""
        before = self.plugins.copy()

        def put(host: PluginHost) -> None:
            self.plugins.become(host)
            suites = settings.usable_suites(self.profile, self.plugins)
            self.driver.node.learn(suites)
            self.keeper.load(suites, _drivers(self.plugins))

        put(plugins)
        return lambda: put(before)

    def lacks_in_workers(self, plugins: PluginHost) -> bool:
        """Do `plugins` bring a transport or suite that the running workers have not imported?"""
        return self.keeper.lacks(settings.usable_suites(self.profile, plugins), _drivers(plugins))

    async def settle_plugins(self, before: Collection[str]) -> None:
        """After `take_plugins` and `use`: what ran for plugins that are there no more ends, and what runs for new ones begins."""
        for name in reversed([name for name in before if name not in self.plugins.names]):
            await self.lifespan.end(f"plugin {name}")
            await self.lifespan.end(f"services of plugin {name}")
        await self.transports.forget()
        offered = {*self.plugins.transports, *self.transports.core}
        for link in [link for link in self.links if link.kind.name not in offered]:
            self._drop(link)
        fresh = [name for name in self.plugins.names if name not in before]
        await lifespans.enter_all(self.plugins.lifespans(self._view, fresh), self.calls, self.lifespan.push)

    # ---- what others ask ----

    @property
    def mesh(self) -> MeshRuntime | None:
        """Its network of members, once it has begun and if the profile names one."""
        return self.optional.mesh

    @property
    def called(self) -> str:
        """What peers call this node: by its certificate, or else by its profile."""
        return self.profile.name if self.mesh is None else self.mesh.mesh.name

    def health(self) -> Health:
        """How all parts are, those around the node included."""
        found = {"worker": self.keeper.problem, **self.around.problems(), "routing": self.forwarding.problem}
        found |= {f"discovery.{kind}": self.discovery.problems.get(kind, "") for kind in self.discovery.wanted}
        found |= {f"monitoring.{kind}": self.monitors.problems.get(kind, "") for kind in self.profile.monitoring}
        found |= {f"protocol.{kind}": self.protocols.problems.get(kind, "") for kind in self.profile.protocols}
        found |= self.optional.problems()
        found |= {f"plugin.{entry['name']}": entry["problem"] for entry in self.plugins.report()}
        return Health({name: problem or OK for name, problem in found.items()}, self.ready, self.keeper.watch.alive)

    def stats(self) -> dict[str, Mapping[str, int]]:
        """Figures of the node's parts, by part, for people."""
        return {
            "links": self.links.stats(),
            "transports": self.transports.stats(),
            "routing": self.forwarding.stats(),
            "discovery": self.discovery.stats(),
            "brought": self.brought.stats(),
            "plugin_calls": self.calls.stats(),
        }

    def open_router(self, profile: Profile) -> OpenRouter:
        """The router that a profile wants. Raises PluginFault."""
        return open_router(self.plugins.routing, profile, self.calls, self._ask_router.soon)

    def hold(self, addresses: tuple[str, ...]) -> None:
        """These addresses are this node's own: no peer speaks for one."""
        self.forwarding.hold(addresses)

    def send_from(self, addresses: tuple[str, ...]) -> None:
        """What goes outside leaves from one of these now."""
        self.driver.readdress(frozenset(addresses))
        self.optional.use_addresses(addresses)

    def survive(self, error: BaseException) -> bool:
        """Something has raised an exception, and nobody waited for it. Returns True if it was a plugin's: then it is on the
        plugin's account."""
        plugin = self.calls.owner_of(error)
        if plugin is not None:
            self.calls.failed(Part("task", plugin), error)
        return plugin is not None

    # ---- joints ----

    def _hear(self, event: ControlEvent) -> None:
        self.protocols.hear(event)
        self.optional.hear(event)

    def _families(self, profile: Profile) -> Mapping[str, Mapping[str, Any]]:
        """The peer protocols to speak: those that the profile names, and those of the core that it needs."""
        return {**profile.protocols, **self.optional.families(profile)}

    async def _close_routing(self) -> None:
        self._ask_router.cancel()
        await self.forwarding.close()

    def _settings(self, profile: Profile) -> NodeSettings:
        """What the node is told of a profile: of its suites those that work, as long as there is one."""
        told = settings.node_settings(profile)
        working = tuple(name for name in told.suites if name not in self._refused_suites)
        return dataclasses.replace(told, suites=working or told.suites)

    def asked(self, plugin: str) -> NodeView:
        """What an operation of `plugin` gets; whoever asks for it closes it."""
        return NodeView(self._seen, self.calls, plugin, "route")

    def _view(self, plugin: str) -> NodeView:
        view = NodeView(self._seen, self.calls, plugin)
        self.lifespan.push(f"services of plugin {plugin}", view.close)
        return view

    def _needs(self, part: Part) -> bool:
        """Does the profile name this transport or suite?"""
        if part.noun == "suite":
            return part.kind in self.profile.crypto.suites
        dialled = (endpoint for peer in self.peers.table for endpoint in peer.endpoints)
        return any(endpoint.scheme == part.kind for endpoint in (*self.profile.server.listen, *dialled))

    def _give_up(self, part: Part) -> None:
        """Do without a transport or suite whose code fails in the workers, as far as there are others."""
        log.error("a plugin's code fails in the worker; going on without", part=f"{part.noun} {part.kind}")
        if part.noun == "transport":
            self.transports.refuse(part.kind)
            for link in [link for link in self.links if link.kind.name == part.kind]:
                self._drop(link)
        else:
            self._refused_suites.add(part.kind)
            self.driver.update(self._settings(self.profile), self.profile.crypto.rotate.bytes)

    def _drop(self, link: Link) -> None:
        self.links.drop(link.number)
        self.driver.on_link_dropped(link.number)


class _Knowledge:
    """What a new worker is told of a node (`workers.pool.Knowledge`)."""

    def __init__(self, node: NodeRuntime) -> None:
        self._node = node

    def introduce(self, worker: WorkerProcess) -> None:
        """Who may come, who the peers are, and in which order packets leave."""
        self._node.driver.share_cookies(worker)
        self._node.forwarding.introduce(worker)
        self._node.driver.strangers.introduce(worker)
        qos = settings.scheduling(self._node.profile)
        if qos is not None:
            worker.set_qos(qos)

    def begin(self, worker: WorkerProcess) -> None:
        """Where packets go."""
        self._node.forwarding.begin(worker)


def _control_machine(profile: Profile, identity: Identity, suites: Sequence[CryptoSuite], table: PeerTable) -> Node:
    return Node(
        settings.node_settings(profile),
        identity,
        suites,
        now=clock.monotonic(),
        entropy=entropy.random_bytes,
        peers=(entry.settings for entry in table),
        deferring=True,
    )


def _drivers(plugins: PluginHost) -> set[str]:
    return {*(kind.driver for kind in plugins.transports.values()), settings.RELAY_DRIVER}


def _own(profile: Profile) -> list[Address]:
    """A node's addresses inside the overlay."""
    return [address.ip for address in profile.network.addresses]

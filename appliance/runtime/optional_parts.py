"""The parts of a node that only some profiles want: its network of members, relays, direct paths.

Each is made, and most of it imported, when the profile first needs it; a node without them costs nothing for them. `NodeRuntime`
says when: `begin` before the first peer can call, `open` once the families are spoken, `call` once names can be looked up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.foundation import clock
from appliance.runtime import settings
from appliance.runtime.members.path_search import PathSearch

if TYPE_CHECKING:
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.api.profile import Profile
    from appliance.plugin_host import PluginHost
    from appliance.protocol.events import ControlEvent
    from appliance.protocol.identity import Identity
    from appliance.runtime.around import Around
    from appliance.runtime.figures import Figures
    from appliance.runtime.knowledge.part import Knowledge
    from appliance.runtime.lifespan import Lifespan
    from appliance.runtime.links.table import Links
    from appliance.runtime.links.transports import Transports
    from appliance.runtime.members.mesh_runtime import MeshRuntime
    from appliance.runtime.members.relays.part import Relays
    from appliance.runtime.node.driver import NodeDriver
    from appliance.runtime.peers.discovery import Discovery
    from appliance.runtime.peers.peers import Peers
    from appliance.runtime.workers.keeper import WorkerKeeper


@dataclass(frozen=True, slots=True)
class Needed:
    """What of a node the optional parts need."""

    profile: Callable[[], Profile]
    """The profile in force."""
    identity: Identity
    plugins: PluginHost
    around: Around
    lifespan: Lifespan
    links: Links
    keeper: WorkerKeeper
    driver: NodeDriver
    transports: Transports
    discovery: Discovery
    peers: Peers
    figures: Figures


class OptionalParts:
    """The optional parts of one node, as far as its profile wants them."""

    def __init__(self, needed: Needed) -> None:
        self._needed = needed
        self.core: dict[str, PeerProtocolKind] = {}
        """Families of control messages that the core itself speaks."""
        self.added: dict[str, Mapping[str, Any]] = {}
        """Those of `core` that whoever hosts the node wants to be spoken, with their settings."""
        self.mesh: MeshRuntime | None = None
        """Its network of members, once it has begun and if the profile names one."""
        self.knowledge: Knowledge | None = None
        """What the members of `mesh` know together."""
        self.relays: Relays | None = None
        """Made when the profile first needs it."""
        self.paths = PathSearch(
            needed.identity.fingerprint,
            needed.driver,
            needed.links,
            needed.transports,
            needed.around.refuses,
            needed.around.mark,
            needed.profile,
        )
        self.certificate_changed: Callable[[], None] = lambda: None
        """Called when what this node's certificate brings to the host is another."""
        self.members_changed: Callable[[], None] = lambda: None
        """Called when members came, changed or went, once the table of peers has them."""
        self.member_told: Callable[[str, Mapping[str, Any]], None] = lambda _event, _fields: None
        """Called with what befalls members: the name of an event and its fields."""

    # ---- life ----

    async def begin(self, profile: Profile) -> None:
        """Before the first peer can call, or is called."""
        self.paths.prepare(profile)
        if profile.mesh is not None:
            await self._begin_mesh(profile, profile.mesh.label)

    def families(self, profile: Profile) -> Mapping[str, Mapping[str, Any]]:
        """The families of the core that the profile needs, with their settings; `core` has their kinds."""
        spoken = dict(self.added)
        for part in (self.mesh, self.knowledge):
            if part is not None:
                spoken |= {name: {} for name in part.kinds}
        relay = settings.relays(profile)
        if relay is not None:
            if self.relays is None:
                self.relays = self._make_relays()
            spoken[self.relays.kind.name] = relay
        elif self.relays is not None:
            self.relays.close()
        return spoken

    async def open(self, profile: Profile) -> None:
        """The families are spoken."""
        if self.mesh is not None:
            self._needed.lifespan.push("members", self.mesh.leave)
        if self.knowledge is not None:
            self._needed.lifespan.push("shared knowledge", self.knowledge.close)
        self._needed.lifespan.push("direct paths", self.paths.close)
        await self.settle(profile)

    async def use(self, profile: Profile) -> None:
        """The profile is this from now on."""
        if self.mesh is not None:
            await self.mesh.use(profile)
        if self.knowledge is not None:
            before = self.knowledge.kinds
            await self.knowledge.use(profile)
            for name in before.keys() - self.knowledge.kinds.keys():
                del self.core[name]
            self.core |= self.knowledge.kinds
            self._needed.discovery.core = self.knowledge.discovery

    async def settle(self, profile: Profile) -> None:
        """The families that the profile wants are spoken: begin or end what it no longer says."""
        if self.knowledge is not None:
            await self.knowledge.start()
        await self.paths.use(profile)

    def call(self) -> None:
        """Names can be looked up."""
        if self.mesh is not None:
            self.mesh.call()

    # ---- what they are told, and what they tell ----

    def hear(self, event: ControlEvent) -> None:
        """Something happened on the control channel."""
        self.paths.hear(event)

    def use_addresses(self, addresses: tuple[str, ...]) -> None:
        """This host's addresses are these now."""
        self.paths.use_addresses(addresses)
        if self.mesh is not None:
            self.mesh.gossip.look()

    def problems(self) -> dict[str, str]:
        """What is wrong, by part; "" if nothing is."""
        found = {} if self.mesh is None else {"mesh": self.mesh.problem}
        return found if self.knowledge is None else found | self.knowledge.problems()

    def spoken(self, figures: Mapping[str, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
        """`figures` of families of control messages, by name, with those that the parts count themselves."""
        found = {**figures, **self.paths.figures()}
        if self.relays is not None and (name := self.relays.kind.name) in found:
            found[name] = {**found[name], **self.relays.figures()}
        counted = {} if self.knowledge is None else self.knowledge.counters()
        return found | {name: {**counted[name], **found[name]} for name in counted.keys() & found.keys()}

    # ---- making ----

    async def _begin_mesh(self, profile: Profile, label: str) -> None:
        """Its members are peers before the first of them can call."""
        from appliance.runtime.knowledge.around import Around as OfKnowledge
        from appliance.runtime.knowledge.part import Knowledge
        from appliance.runtime.members.gossip import Place, networks_of
        from appliance.runtime.members.mesh import MeshParts
        from appliance.runtime.members.mesh_runtime import MeshRuntime
        from appliance.runtime.members.network_folder import NetworkFolder

        needed = self._needed
        folder = NetworkFolder.of(label)
        # of a thousand members it verifies for half a second
        trust = await asyncio.to_thread(folder.trust, int(clock.wall()), needed.identity.fingerprint)
        parts = MeshParts(
            needed.identity,
            folder,
            trust,
            needed.driver,
            needed.peers,
            needed.discovery.resolve,
            lambda: self.certificate_changed(),  # noqa: PLW0108  whoever hosts the node sets it later
        )
        place = Place(
            lambda: (*needed.plugins.transports, *needed.transports.core),
            self.paths.endpoints,
            lambda: networks_of(self.paths.addresses),
            lambda: () if self.relays is None else self.relays.reserved,
        )
        self.mesh = mesh = MeshRuntime(profile, parts, place)
        around = OfKnowledge(mesh.mesh, mesh.gossip)
        self.knowledge = Knowledge(around, profile)
        needed.figures.scores = around.judged.standings
        self.core |= mesh.kinds | self.knowledge.kinds
        needed.discovery.core = self.knowledge.discovery
        mesh.gossip.listeners.append(self.member_told)
        mesh.mesh.changed.append(self.members_changed)
        needed.figures.members = mesh.gossip.standings
        needed.figures.certificate = mesh.mesh.validity
        needed.lifespan.push("mesh", mesh.close)
        needed.driver.strangers.listener = mesh.hear_of_stranger
        await mesh.start()

    def _make_relays(self) -> Relays:
        from appliance.runtime.members.relays.around import Around as OfRelays
        from appliance.runtime.members.relays.part import Relays

        needed = self._needed
        around = OfRelays(needed.identity.fingerprint, needed.peers.table, needed.driver.node, needed.links, needed.keeper)
        relays = Relays(around, needed.driver, needed.transports, lambda: None if self.mesh is None else self.mesh.mesh)
        self.core[relays.kind.name] = relays.kind
        return relays

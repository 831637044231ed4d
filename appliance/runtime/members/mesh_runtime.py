"""The mesh of a running node with everything that works for it: its families of control messages, and the calls to members that
are not known yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from appliance.runtime.members.families import families
from appliance.runtime.members.gossip import Gossip, Place
from appliance.runtime.members.introducing import Introducing
from appliance.runtime.members.mesh import Mesh, MeshParts

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.protocol.events import StrangerEvent

LOOK_EVERY: Final = 30.0
"""Seconds between two looks whether a certificate has begun or ended, or a command wrote into the folder; they cost nothing."""


class MeshRuntime:
    """`mesh` is what is known, and what families get."""

    def __init__(self, profile: Profile, parts: MeshParts, place: Place | None = None) -> None:
        self.mesh = Mesh(profile, parts)
        place = place or Place()
        self.gossip = Gossip(self.mesh, place, profile)
        self.kinds = {kind.name: kind for kind in (*families(self.mesh, place), *self.gossip.kinds())}
        """The families that are spoken for it."""
        self._introducing = Introducing(self.mesh)

    async def start(self) -> None:
        """Members are peers when this returns."""
        self.mesh.apply()
        await self.mesh.applied()
        self.mesh.use_bootstrap()
        tasks = self.mesh.tasks
        tasks.spawn(self.gossip.start(), "remember members")
        tasks.spawn(self._keep_looking(), "look for certificates that begin or end")

    @property
    def problem(self) -> str:
        """What is wrong with this node's membership, or with the network as this node sees it; "" if nothing is."""
        return self.mesh.problem or self.mesh.clock_problem or self.gossip.problem

    def call(self) -> None:
        """Call whom the profile names: names can be looked up."""
        self.mesh.tasks.spawn(self._introducing.run(), "call members that are not known yet")

    async def use(self, profile: Profile) -> None:
        """The profile is this from now on; its `mesh.network` is the same."""
        self.mesh.use(profile)
        self.gossip.use(profile)
        await self.mesh.applied()

    def status(self) -> dict[str, Any]:
        """For people and `appliance status`."""
        return self.mesh.status() | {"roster": self.gossip.status()}

    async def leave(self) -> None:
        """This node stops, and there are sessions still."""
        await self.gossip.leave()

    async def close(self) -> None:
        """End all tasks, with all that is known on the disk. Members stay peers until the node ends."""
        self.mesh.wanted.close()
        await self.mesh.tasks.close()
        await self.gossip.close()
        await self.mesh.kept.close()

    def hear_of_stranger(self, event: StrangerEvent) -> None:
        """Somebody is on probation, or is not any more."""
        self._introducing.hear(event)

    async def _keep_looking(self) -> None:
        while True:
            await self.mesh.parts.sleep(LOOK_EVERY)
            self.mesh.apply()
            await self.mesh.kept.look()

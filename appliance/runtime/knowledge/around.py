"""What a part of shared knowledge has of its node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from appliance.runtime.knowledge.hosting import Judged

if TYPE_CHECKING:
    from appliance.knowledge.dht.jobs import Finished
    from appliance.runtime.members.gossip import Gossip
    from appliance.runtime.members.mesh import Mesh


class Providers(Protocol):
    """Who in the network has what a key names. All raise ApplianceError when it cannot be known now."""

    async def provide(self, key: bytes, seconds: float) -> Finished:
        """This node has it, for so long."""

    async def providers(self, key: bytes) -> Finished:
        """Who has it."""


@dataclass(slots=True)
class Shared:
    """What one part does for others while it runs. None: the profile has it off."""

    providers: Providers | None = None


@dataclass(frozen=True, slots=True)
class Around:
    """Of one node."""

    mesh: Mesh
    gossip: Gossip
    judged: Judged = field(default_factory=Judged)
    shared: Shared = field(default_factory=Shared)

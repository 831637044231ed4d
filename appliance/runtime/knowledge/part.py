"""What the members of a network know together, in one running node: a part for each kind of it that the profile wants.

To add a part: a module of its own in this room that imports what it needs, with a class as `Part` says; a switch below `mesh`
in the profile; an entry in `wanted`; its family in `plugin_host.registry.CORE_PROTOCOLS`, so that no plugin takes its name.
What callers may ask it stands in `questions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from appliance.runtime.knowledge.hosting import Judged

if TYPE_CHECKING:
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.api.profile import Profile
    from appliance.runtime.members.gossip import Gossip
    from appliance.runtime.members.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Around:
    """What a part has of its node."""

    mesh: Mesh
    gossip: Gossip
    judged: Judged = field(default_factory=Judged)


class Part(Protocol):
    """One kind of shared knowledge."""

    def kinds(self) -> Iterator[PeerProtocolKind]:
        """The families that it speaks."""

    def status(self) -> Mapping[str, Any]:
        """For people and `appliance status`."""

    @property
    def problem(self) -> str:
        """What is wrong with it; "" if nothing is."""

    async def start(self) -> None:
        """Its families are spoken."""

    async def close(self) -> None:
        """End, and keep on the disk what is to be kept."""


class Knowledge:
    """The parts of one node, by name, in the order in which they start."""

    def __init__(self, around: Around, profile: Profile) -> None:
        self.around = around
        self.parts: dict[str, Part] = dict(wanted(around, profile))
        self.kinds = {kind.name: kind for part in self.parts.values() for kind in part.kinds()}
        """The families that are spoken for them."""

    async def start(self) -> None:
        """One after the other."""
        for part in self.parts.values():
            await part.start()

    async def close(self) -> None:
        """The other way round."""
        for part in reversed(self.parts.values()):
            await part.close()

    def problems(self) -> dict[str, str]:
        """What is wrong, by part; "" if nothing is."""
        return {name: part.problem for name, part in self.parts.items()}

    def status(self) -> dict[str, Any]:
        """By part."""
        return {name: dict(part.status()) for name, part in self.parts.items()}


def wanted(_around: Around, _profile: Profile) -> Iterator[tuple[str, Part]]:
    """The parts that the profile wants. Each is imported here, when it is."""
    yield from ()

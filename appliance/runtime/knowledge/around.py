"""What a part of shared knowledge has of its node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.runtime.knowledge.hosting import Judged

if TYPE_CHECKING:
    from appliance.runtime.members.gossip import Gossip
    from appliance.runtime.members.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Around:
    """Of one node."""

    mesh: Mesh
    gossip: Gossip
    judged: Judged = field(default_factory=Judged)

"""One peer to which a direct path is looked for: its machine, and what both sides have said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from appliance.api.values import Endpoint
from appliance.members.punching import Punching
from appliance.members.reflections import Mapping as NatMapping


@dataclass(slots=True)
class Searched:
    """A peer to which a direct path is looked for."""

    punching: Punching
    identity: str
    timer: asyncio.TimerHandle | None = None
    since: float = 0.0
    """When its session came to the path it is on."""
    told: tuple[UUID, Endpoint] | None = None
    """The session by which the peer was told last where this node sees it, and where that was. In the next one it is told again:
    at the far end the first may have been that of a stranger, who is not listened to."""
    why: str = ""
    """Why there is no direct path, as far as that is known."""
    mapping: str = ""
    """What it says of its NAT."""
    theirs: tuple[Endpoint, ...] = ()
    """Where it said last that it may be."""
    fresh: int = 0
    """The link whose first packet gets the port that was foretold; 0: the listener's is used."""
    own: str = ""
    """What was said of this node's."""
    links: dict[Endpoint, int] = field(default_factory=dict)
    """The sockets by which its probes came, where that was not the listener's."""
    tried: bool = False
    """Was there an attempt to meet by chance?"""

    @property
    def reason(self) -> str:
        """Why there is no direct path; "" if there is one."""
        if self.punching.direct:
            return ""
        if self.why:
            return self.why
        if not self.punching.rounds:
            return "not tried yet"
        if self.mapping == self.own == NatMapping.DEPENDENT:
            return "both sides' NATs give another port for each far end, drawn at random: there is no direct path"
        return "no probe came back"

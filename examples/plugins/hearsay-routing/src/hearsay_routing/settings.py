"""What a profile says below `routing.hearsay` and `protocols.hearsay`."""

from __future__ import annotations

from pydantic import Field, IPvAnyNetwork

from appliance.api.profile import Section
from appliance.api.profile_values import Seconds


class RoutingSettings(Section):
    """Networks behind this node."""

    announces: tuple[IPvAnyNetwork, ...] = Field(
        default=(), max_length=100, description="Prefixes that this node says it reaches."
    )


class ProtocolSettings(Section):
    """How the nodes tell each other."""

    every: Seconds = Field(default="10s", validate_default=True, ge=0.1, le=300, description="How often the whole table is told.")

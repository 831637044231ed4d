"""What a profile may say below `discovery.bootstrap`."""

from __future__ import annotations

from pydantic import Field

from appliance.api.profile import Section
from appliance.api.profile_values import Name, Seconds, Switch


class BootstrapSettings(Section):
    """Finds peers by the endpoints of the profile, and looks their DNS names up again and again."""

    refresh: Seconds = Field(
        default="60s",
        validate_default=True,
        ge=1,
        le=86400,
        description="How often names are looked up, give or take a tenth so that many nodes do not ask at once.",
    )
    peers: tuple[Name, ...] = Field(
        default=(), max_length=65536, description="The peers that are on the bootstrap list. Empty: all that have endpoints."
    )
    rotate: Switch = Field(
        default=True, description="Begin each round with another peer, so that not everybody asks the first one first."
    )

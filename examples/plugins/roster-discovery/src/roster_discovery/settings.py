"""What a profile says below `discovery.roster`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from appliance.api.profile import Section
from appliance.api.profile_values import Seconds


class RosterSettings(Section):
    """Where the roster is."""

    file: Annotated[str, StringConstraints(pattern=r"^/[^\x00]*$", max_length=4095)] = Field(
        description="The file with the peers, by its whole path."
    )
    every: Seconds = Field(
        default="5s", validate_default=True, ge=0.1, le=3600, description="How often to look whether it has changed."
    )

"""What a profile may say of every log-in, beside what its kind wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from appliance.api.profile_section import Section
from appliance.api.profile_values import Name, Switch


class LoginSettings(Section):
    """The settings of each log-in's kind derive from this. The core reads these keys and decides by them, so no plugin says who
    may what."""

    roles: Mapping[Annotated[str, Field(min_length=1, max_length=256)], tuple[Name, ...]] = Field(
        default={},
        max_length=256,
        description='Roles by the groups that bring them; the group "*" is everybody. Whom none brings a role does not get in.',
        examples=[{"network-admins": ["admin"], "*": ["viewer"]}],
    )
    create: Switch = Field(default=False, description="Add a user whom nobody here knows yet when he logs in for the first time.")
    devices: Switch = Field(
        default=False,
        description="Let programs without a browser log in by a code that their user enters elsewhere (RFC 8628). Whoever talks "
        "somebody into entering a code of his comes in as that user.",
    )

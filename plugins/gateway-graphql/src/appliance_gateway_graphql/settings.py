"""What a profile says below `management.gateways.graphql`."""

from __future__ import annotations

from pydantic import Field

from appliance.api.profile import Section
from appliance.api.profile_values import Switch


class GraphqlSettings(Section):
    """How much one document may ask for."""

    depth: int = Field(default=10, ge=1, le=50, description="Levels of fields.")
    fields: int = Field(default=400, ge=1, le=10_000, description="Fields, those of fragments each time they are used.")
    operations: int = Field(default=8, ge=1, le=100, description="Operations of the API, aliases too.")
    introspection: Switch = Field(default=True, description="May a caller read the schema?")

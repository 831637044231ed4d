"""What a profile may say of every server with a port of its own, beside what its kind wants."""

from __future__ import annotations

from pydantic import Field

from appliance.api.profile_management import ListenText
from appliance.api.profile_section import Section


class ServerSettings(Section):
    """The settings of each server's kind derive from this. The core reads these keys: it opens the sockets, and lets connections
    in. A model may give `listen` another default, and the limits others.
    """

    listen: tuple[ListenText, ...] = Field(
        min_length=1,
        max_length=16,
        description="Addresses of this host where it listens. TLS is spoken there as `management.tls` says: everywhere but at "
        "loopback addresses, if it says nothing.",
        examples=[["127.0.0.1:3001", "[::1]:3001"]],
    )
    connections: int = Field(default=1024, ge=1, le=65536, description="Connections in all.")
    per_address: int = Field(default=64, ge=1, le=65536, description="Connections of one address, or of one /64 of IPv6.")


def for_the_core(settings: object) -> ServerSettings:
    """The core's keys of an instance of some model. Raises ValueError (pydantic's ValidationError is one), AttributeError."""
    return ServerSettings.model_validate({key: getattr(settings, key) for key in ServerSettings.model_fields})

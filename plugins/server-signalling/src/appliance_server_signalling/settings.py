"""What a profile says of the server."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal

from pydantic import Field

from appliance.api.profile_management import Listen, ListenText, OriginText
from appliance.api.profile_values import SecretFile, Switch
from appliance.api.server_settings import ServerSettings

PORT: Final = 3001


class SignallingSettings(ServerSettings):
    """A WebRTC signalling server. See docs/signalling.md."""

    listen: tuple[ListenText, ...] = Field(
        default=(Listen(ipaddress.IPv4Address("127.0.0.1"), PORT),),
        min_length=1,
        max_length=16,
        description="Addresses of this host where it listens. TLS is spoken there as `management.tls` says: everywhere but at "
        "loopback addresses, if it says nothing.",
        examples=[["0.0.0.0:3001", "[::]:3001"]],
    )
    connections: int = Field(default=10_000, ge=1, le=65536, description="Connections in all.")
    per_address: int = Field(default=64, ge=1, le=65536, description="Connections of one address, or of one /64 of IPv6.")
    origins: tuple[Annotated[OriginText | Literal["*"], Field()], ...] = Field(
        default=(),
        max_length=64,
        description='Origins of web pages elsewhere that may connect; "*": all. Programs and pages of this server may anyway.',
        examples=[["https://app.example.net"]],
    )
    token: SecretFile | None = Field(
        default=None,
        description="A file with a word that peers have to say when they register. Absent: everybody may.",
    )
    messages: float = Field(
        default=20,
        gt=0,
        le=10_000,
        description="Messages a second of one connection; of a long one each 4 KiB counts once more. Five times as many may come "
        "at once after a pause, 16 at least; five times as many from one address or /64, more where `per_address` is.",
    )
    listing: Switch = Field(default=True, description="Tell peers the ids of others who are here. Off: only whether one is here.")
    page: Switch = Field(default=False, description="Serve a page at / by which two browsers can try the server.")

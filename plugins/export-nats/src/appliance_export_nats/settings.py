"""What a profile says below `management.exports.nats`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from appliance.api.profile import Section
from appliance.api.profile_values import SecretFile, Switch
from appliance.api.values import is_this_host

Server = Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$", max_length=260)]


class NatsSettings(Section):
    """A server or cluster of NATS."""

    servers: tuple[Server, ...] = Field(
        default=("127.0.0.1:4222",), min_length=1, max_length=16, description="Servers of one cluster, host:port."
    )
    user: str | None = Field(default=None, min_length=1, max_length=256, description="Who the API server is there.")
    password: SecretFile | None = Field(default=None, description="The file with the user's password.")
    token: SecretFile | None = Field(default=None, description="The file with a token, where there are no users.")
    subject: str = Field(
        default="appliance",
        pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        max_length=200,
        description="What all subjects begin with; behind it stands the kind of the event.",
    )
    jetstream: Switch = Field(default=True, description="Does a stream have to keep an event before it counts as sent?")
    tls: Switch | None = Field(default=None, description="Absent: yes, unless all servers are on this host.")
    authorities: Path | None = Field(default=None, description="The authorities to believe (PEM) instead of the host's.")

    @property
    def speaks_tls(self) -> bool:
        """Is TLS spoken?"""
        hosts = (server.rpartition(":")[0].strip("[]") for server in self.servers)
        return self.tls if self.tls is not None else not all(map(is_this_host, hosts))

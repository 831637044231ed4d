"""What a profile says below `management.cache.redis`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from appliance.api.profile import Section
from appliance.api.profile_values import SecretFile, Switch
from appliance.api.values import is_this_host


class RedisSettings(Section):
    """A server that speaks Redis's protocol."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253, description="Where it is.")
    port: int = Field(default=6379, ge=1, le=65535)
    socket: Path | None = Field(default=None, description="Its Unix socket, instead of host and port.")
    database: int = Field(default=0, ge=0, le=65535)
    user: str | None = Field(default=None, min_length=1, max_length=256, description="Who the API server is there.")
    password: SecretFile | None = Field(default=None, description="The file with the password.")
    prefix: str = Field(default="appliance:", max_length=64, description="What all keys begin with.")
    tls: Switch | None = Field(default=None, description="Absent: yes, unless the server is on this host.")
    authorities: Path | None = Field(default=None, description="The authorities to believe (PEM) instead of the host's.")

    @property
    def speaks_tls(self) -> bool:
        """Is TLS spoken?"""
        return self.tls if self.tls is not None else self.socket is None and not is_this_host(self.host)

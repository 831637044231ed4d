"""What a profile says below `management.exports.mqtt`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from appliance.api.profile import Section
from appliance.api.profile_values import SecretFile, Switch
from appliance.api.values import is_this_host


class MqttSettings(Section):
    """A broker of MQTT 5."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253, description="Where it is.")
    port: int | None = Field(default=None, ge=1, le=65535, description="Absent: 8883 with TLS, 1883 without.")
    user: str | None = Field(default=None, min_length=1, max_length=256, description="Who the API server is there.")
    password: SecretFile | None = Field(default=None, description="The file with the user's password.")
    client: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]+$",
        max_length=100,
        description="The client's identifier at the broker, where that wants one. Absent: the broker gives one.",
    )
    topic: str = Field(
        default="appliance",
        pattern=r"^[^+#\x00/]+(/[^+#\x00/]+)*$",
        max_length=200,
        description="What all topics begin with; behind it stands the kind of the event.",
    )
    tls: Switch | None = Field(default=None, description="Absent: yes, unless the broker is on this host.")
    authorities: Path | None = Field(default=None, description="The authorities to believe (PEM) instead of the host's.")

    @property
    def speaks_tls(self) -> bool:
        """Is TLS spoken?"""
        return self.tls if self.tls is not None else not is_this_host(self.host)

    @property
    def at_port(self) -> int:
        """The port in use."""
        return self.port or (8883 if self.speaks_tls else 1883)

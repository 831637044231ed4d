"""What a profile says of the database."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from appliance.api.profile import Section
from appliance.api.profile_values import Bytes, Seconds
from appliance.api.stores import LIMIT_BYTES
from appliance.api.values import is_this_host


class PostgresqlSettings(Section):
    """Where the database is, and how it is used. Several API servers with the same database and schema share one store."""

    host: str = Field(
        default="/run/postgresql",
        min_length=1,
        max_length=255,
        pattern=r"^[^\s@]+$",
        description="Name or address of the server, or the folder of its Unix socket.",
    )
    port: int = Field(default=5432, ge=1, le=65535, description="Its port; with a Unix socket, the end of its name.")
    database: str = Field(default="appliance", min_length=1, max_length=63, description="The database.")
    user: str = Field(
        default="appliance-api",
        min_length=1,
        max_length=63,
        description="The role that logs in. With a Unix socket and PostgreSQL's method `peer`: the user of the API server.",
    )
    password: str | None = Field(
        default=None,
        pattern="^file:/",
        max_length=4096,
        description="The file of its password, as file:/PATH. It may be root's alone, and is read again for each connection.",
    )
    tls: Literal["off", "verify-ca", "verify-full"] | None = Field(
        default=None,
        description="verify-full: the server's certificate has to be good, and for this host; verify-ca: for any host. Not said: "
        "off for a Unix socket and a loopback address, verify-full for all others.",
    )
    ca: str | None = Field(
        default=None,
        pattern="^/",
        max_length=4096,
        description="A file of the authorities (PEM) that may sign the server's certificate. Not said: those of the system.",
    )
    schema_: str = Field(
        alias="schema",
        default="appliance",
        pattern="^[a-z_][a-z0-9_]{0,62}$",
        description="The schema that has the tables. It is made if it is missing.",
    )
    connections: int = Field(default=4, ge=2, le=64, description="Connections that one API server has at most.")
    timeout: Seconds = Field(default=10.0, ge=0.5, le=300, description="How long one statement may take.")
    limit: Bytes = Field(
        default=LIMIT_BYTES,
        ge=1 << 20,
        description="How much the store may keep. All API servers that share it should say the same.",
    )

    @property
    def local(self) -> bool:
        """Does nothing leave this host?"""
        return self.host.startswith("/") or is_this_host(self.host)

    @property
    def verified(self) -> Literal["off", "verify-ca", "verify-full"]:
        """`tls`, as it is where nothing was said."""
        return self.tls or ("off" if self.local else "verify-full")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.ca and self.verified == "off":
            raise ValueError("ca: TLS is off here, so nothing would be verified; say tls: verify-full")
        if self.host.startswith("/") and self.verified != "off":
            raise ValueError("tls: there is none over a Unix socket")
        return self

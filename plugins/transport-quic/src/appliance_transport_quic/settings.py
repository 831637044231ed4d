"""What a profile says below `transports.quic`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from appliance.api.profile_values import Switch


class QuicSettings(BaseModel):
    """Of both ends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: Path | None = Field(
        default=None,
        description="Where it listens: the file with its certificate and those above it (PEM). None: one that it signs itself, "
        "which callers accept only with `verify: false`.",
    )
    key: Path | None = Field(default=None, description="The file with the certificate's private key (PEM).")
    verify: Switch = Field(
        default=True,
        description="Where it calls: must the far end's certificate be good for its name? LLP inside proves who the peer is in "
        "either case, so false risks no more than that somebody on the way sees that this is LLP.",
    )
    authorities: Path | None = Field(
        default=None, description="The file with the authorities to believe (PEM) instead of the host's."
    )

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        return self

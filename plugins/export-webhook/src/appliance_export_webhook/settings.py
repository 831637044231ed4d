"""What a profile says below `management.exports.webhook`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from appliance.api.profile import Section
from appliance.api.profile_values import SecretFile, Switch
from appliance.api.values import is_this_host

Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*$", max_length=100)]


class WebhookSettings(Section):
    """A URL."""

    url: str = Field(min_length=1, max_length=2048, examples=["https://hooks.example.net/appliance"])
    secret: SecretFile = Field(description="The file with the secret of the signature: 24 bytes or more, or whsec_ and Base64.")
    kinds: tuple[Kind, ...] = Field(
        default=(),
        max_length=64,
        description="Kinds of events that are sent, or what they begin with up to a dot. Empty: all.",
        examples=[["jobs", "node.health"]],
    )
    plain: Switch = Field(default=False, description="Take http: for a server that is not on this host.")
    authorities: Path | None = Field(default=None, description="The authorities to believe (PEM) instead of the host's.")

    @model_validator(mode="after")
    def _is_a_url(self) -> Self:
        told = urlsplit(self.url)
        if told.scheme not in {"https", "http"} or not told.hostname or told.username is not None or told.fragment:
            raise ValueError("url: wanted https://HOST/PATH, without a user, a password and a fragment")
        if told.scheme == "http" and not self.plain and not is_this_host(told.hostname):
            raise ValueError("url: events would cross the network in clear: write https:, or set plain")
        return self

    def wants(self, kind: str) -> bool:
        """Are events of that kind sent?"""
        return not self.kinds or any(kind == wanted or kind.startswith(f"{wanted}.") for wanted in self.kinds)

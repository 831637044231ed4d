"""What a profile says below `management.logins.oidc`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from appliance.api.login_settings import LoginSettings
from appliance.api.profile_values import SecretFile
from appliance_login_oidc.addresses import is_safe

Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$", max_length=200)]
Claim = Annotated[str, Field(min_length=1, max_length=200)]


class OidcSettings(LoginSettings):
    """A provider, and what this node is called there."""

    issuer: str = Field(
        min_length=1,
        max_length=1000,
        description="The provider, letter by letter as its discovery document says it.",
        examples=["https://id.example.net/realms/house"],
    )
    client_id: str = Field(min_length=1, max_length=300, description="What this node is called there.")
    client_secret: SecretFile | None = Field(
        default=None, description="The file with the client's secret. Absent: a public client, which PKCE protects alone."
    )
    scopes: tuple[Scope, ...] = Field(
        default=("openid", "profile"), max_length=32, description="What is asked for; openid has to be among it."
    )
    groups: Claim = Field(default="groups", description="The claim of the ID token that lists the groups.")
    name: Claim = Field(default="preferred_username", description="The claim that a new user is called by.")
    authorities: Path | None = Field(default=None, description="The authorities to believe (PEM) instead of the host's.")

    @model_validator(mode="after")
    def _is_a_provider(self) -> Self:
        if not is_safe(self.issuer, loopback=True) or "?" in self.issuer or "#" in self.issuer:
            raise ValueError("issuer: wanted https://HOST/PATH without a query; http only at a loopback address")
        if "openid" not in self.scopes:
            raise ValueError("scopes: openid has to be among them, or nobody says who somebody is")
        return self

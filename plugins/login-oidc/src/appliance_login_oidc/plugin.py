"""The plugin."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from appliance.api.api_parts import ApiServices
from appliance.api.hookspecs import hookimpl
from appliance.api.logins import Login, LoginKind

if TYPE_CHECKING:
    from appliance_login_oidc.settings import OidcSettings

conformance: dict[str, dict[str, Any]] = {
    "oidc": {"needs": "a provider", "settings": {"issuer": "https://id.example.net", "client_id": "appliance"}}
}


def _settings() -> type[OidcSettings]:
    from appliance_login_oidc.settings import OidcSettings

    return OidcSettings


def _open(settings: OidcSettings, services: ApiServices) -> AbstractAsyncContextManager[Login]:
    from appliance_login_oidc.login import opened

    return opened(settings, services)


@hookimpl
def appliance_logins() -> tuple[LoginKind, ...]:
    """One kind."""
    return (LoginKind("oidc", _settings, _open, imports=("appliance_login_oidc.login",)),)

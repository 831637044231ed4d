from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from appliance_login_oidc.settings import OidcSettings


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example.net",
        "https://id/?x=1",
        "https://id/#x",
        "https://u:p@id/",
        "ldap://id",
        "https://",
        "id",
        "https://i d/",
    ],
)
def test_a_provider_is_reached_by_https(issuer: str) -> None:
    with pytest.raises(ValidationError, match="issuer: "):
        OidcSettings(issuer=issuer, client_id="c")


@pytest.mark.parametrize(
    "issuer", ["https://id.example.net/realms/a", "http://127.0.0.1:9000", "http://[::1]:9000/x", "http://localhost:1"]
)
def test_or_is_on_this_host(issuer: str) -> None:
    assert OidcSettings(issuer=issuer, client_id="c").issuer == issuer


@pytest.mark.parametrize(
    "more",
    [
        {"scopes": ["profile"]},
        {"scopes": ["openid", "a b"]},
        {"client_secret": "hunter2"},
        {"create": "yes"},
        {"roles": {"": ["a"]}},
    ],
)
def test_what_cannot_be(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OidcSettings.model_validate({"issuer": "https://id", "client_id": "c", **more})

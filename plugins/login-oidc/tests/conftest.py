from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.testing.api_parts import FakeApiServices
from appliance_login_oidc.login import OidcLogin
from appliance_login_oidc.provider import Provider
from appliance_login_oidc.settings import OidcSettings
from appliance_login_oidc.web import Web
from tests.rigs.oidc_provider import CLIENT, SECRET, OidcProvider, oidc_provider


@pytest.fixture
def provider(services: FakeApiServices) -> Iterator[OidcProvider]:
    with oidc_provider() as provider:
        provider.clock = services.wall
        yield provider


@pytest.fixture
def services() -> FakeApiServices:
    return FakeApiServices({"file:/secret": SECRET})


@pytest.fixture
def settings(provider: OidcProvider) -> OidcSettings:
    return made(provider)


def made(provider: OidcProvider, **more: Any) -> OidcSettings:
    return OidcSettings.model_validate({"issuer": provider.issuer, "client_id": CLIENT, "client_secret": "file:/secret", **more})


@pytest.fixture
def login(settings: OidcSettings, services: FakeApiServices) -> Iterator[OidcLogin]:
    """One that has asked the provider for nothing yet."""
    web = Web()
    yield OidcLogin(settings, SECRET, Provider(settings, web, services.wall, services.report), web, services)
    web.close()

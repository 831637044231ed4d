"""What a provider says of itself, and what it may not say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.api.management import Refused
from appliance.testing.api_parts import FakeApiServices
from appliance_login_oidc.provider import FAILED, FRESH, Provider
from appliance_login_oidc.settings import OidcSettings
from appliance_login_oidc.web import Web
from tests.rigs.oidc_provider import OidcProvider

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def asking(settings: OidcSettings, services: FakeApiServices) -> Provider:
    return Provider(settings, Web(), services.wall, services.report)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"issuer": "https://other"}, "calls itself otherwise"),
        ({"issuer": None}, "calls itself otherwise"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"token_endpoint": "http://192.0.2.1/token"}, "not https"),
        ({"token_endpoint": "file:///etc/shadow"}, "not https"),
        ({"token_endpoint": "https://u:p@h/"}, "not https"),
        ({"token_endpoint": 7}, "not https"),
        ({"jwks_uri": None}, "not https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not https"),
        ({"device_authorization_endpoint": "http://192.0.2.1/"}, "not https"),
    ],
)
async def test_a_document_that_cannot_be_believed(
    asking: Provider, provider: OidcProvider, about: dict[str, Any], said: str
) -> None:
    provider.about.update(about)
    with pytest.raises(Refused, match=said):
        await asking.about()


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"issuer": 1, "issuer": 2}', b"[" * 100_000, b"{}" + b" " * 300_000])
async def test_a_document_that_is_none_or_too_long(asking: Provider, provider: OidcProvider, raw: bytes) -> None:
    provider.answers[DISCOVERY] = (200, raw)
    with pytest.raises(Refused):
        await asking.about()


async def test_no_redirect_is_followed(asking: Provider, provider: OidcProvider) -> None:
    provider.answers[DISCOVERY] = (302, b"")
    with pytest.raises(Refused, match="answered 302"):
        await asking.about()
    assert "/elsewhere" not in provider.asked


async def test_it_is_fetched_once_for_all_and_again_after_its_time(
    asking: Provider, provider: OidcProvider, services: FakeApiServices
) -> None:
    await asyncio.gather(*(asking.about() for _ in range(10)))
    assert provider.asked == [DISCOVERY]
    await services.sleep(FRESH + 1)
    await asking.about()
    assert provider.asked == [DISCOVERY] * 2


async def test_a_provider_that_failed_is_left_alone_a_while(
    asking: Provider, provider: OidcProvider, services: FakeApiServices
) -> None:
    provider.answers[DISCOVERY] = (500, b"")
    for _ in range(5):
        with pytest.raises(Refused, match="answered 500"):
            await asking.about()
    assert provider.asked == [DISCOVERY]
    await services.sleep(FAILED + 1)
    with pytest.raises(Refused):
        await asking.about()
    assert provider.asked == [DISCOVERY] * 2

"""Requests that have an end."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api.management import Refused
from appliance_login_oidc import web as module
from appliance_login_oidc.web import MOST_BYTES, Web, json_object
from tests.rigs.oidc_provider import OidcProvider


async def test_a_provider_that_hangs_is_left_and_its_threads_are_free_again(provider: OidcProvider) -> None:
    provider.hanging.add("/jwks")
    web = Web(seconds=0.2)
    for _ in range(2):
        ended = await asyncio.gather(*(web.get(f"{provider.issuer}/jwks") for _ in range(4)), return_exceptions=True)
        assert {str(each) for each in ended} == {"the provider does not answer in time"}
    patient = Web(seconds=60)
    assert (await patient.get(f"{provider.issuer}/.well-known/openid-configuration")).status == 200
    web.close()
    patient.close()


async def test_so_many_ask_at_once(provider: OidcProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UNDER_WAY", 2)
    web = Web()
    ended = await asyncio.gather(*(web.get(f"{provider.issuer}/jwks") for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(each, Refused) for each in ended) == 1
    web.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://no-such-host.invalid/"])
async def test_who_is_not_there_is_said(url: str) -> None:
    web = Web()
    with pytest.raises(Refused, match="cannot be reached"):
        await web.get(url)
    web.close()


async def test_what_is_too_long_is_not_read(provider: OidcProvider) -> None:
    provider.answers["/jwks"] = (200, b"{" + b" " * (MOST_BYTES + 1))
    web = Web()
    with pytest.raises(Refused, match="too long"):
        await web.get(f"{provider.issuer}/jwks")
    web.close()


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "b": 2}}', b"\xff", b"[" * 100_000])
def test_an_object_says_each_thing_once(raw: bytes) -> None:
    assert json_object(raw) is None

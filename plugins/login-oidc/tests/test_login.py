"""The log-in against a provider that is as strict as OAuth 2 wants, and lies when it is told to."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from appliance.api.logins import Claims, LoginKind
from appliance.api.management import Refused
from appliance.testing.api_parts import FakeApiServices
from appliance.testing.conformance.login import LoginConformance
from appliance_login_oidc.login import OidcLogin, opened
from appliance_login_oidc.plugin import appliance_logins
from appliance_login_oidc.settings import OidcSettings
from tests.rigs.oidc_provider import CLIENT, SECRET, USER_CODE, OidcProvider

CALLBACK = "https://node/login/oidc/callback"
Lie = Callable[[OidcProvider, Mapping[str, Any]], str]


class TestOidc(LoginConformance):
    @pytest.fixture(autouse=True)
    def _has_a_provider(self, provider: OidcProvider) -> None:
        self.provider = provider

    def kind(self) -> LoginKind:
        return next(iter(appliance_logins()))

    def settings(self) -> Mapping[str, Any]:
        return {"issuer": self.provider.issuer, "client_id": CLIENT, "client_secret": "file:/secret"}

    def services(self) -> FakeApiServices:
        return FakeApiServices({"file:/secret": SECRET})


async def back(login: OidcLogin, provider: OidcProvider, secret: str = "s" * 64) -> tuple[Mapping[str, str], dict[str, str]]:
    """What was kept, and the parameters of the way back."""
    begun = await login.begin(CALLBACK, "a state", secret)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    assert (asked["state"], asked["response_type"], asked["client_id"]) == ("a state", "code", CLIENT)
    return begun.kept, dict(parse_qsl(urlsplit(provider.come(asked)).query))


async def logged_in(login: OidcLogin, provider: OidcProvider) -> Claims:
    kept, parameters = await back(login, provider)
    return await login.finish(CALLBACK, kept, parameters)


async def test_a_browser_logs_in(login: OidcLogin, provider: OidcProvider) -> None:
    assert await logged_in(login, provider) == Claims(f"{provider.issuer} 4711", "Alice", ("staff",))


async def test_the_secret_is_on_no_way_that_others_see(login: OidcLogin, provider: OidcProvider) -> None:
    begun = await login.begin(CALLBACK, "a state", "s" * 64)
    assert "s" * 64 not in begun.url
    assert begun.kept["verifier"] not in begun.url
    assert SECRET not in str(begun)


async def test_a_client_whose_secret_goes_into_the_form(login: OidcLogin, provider: OidcProvider) -> None:
    provider.about["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    assert await logged_in(login, provider)


async def test_another_verifier_brings_nothing(login: OidcLogin, provider: OidcProvider) -> None:
    kept, parameters = await back(login, provider)
    with pytest.raises(Refused, match="invalid_grant"):
        await login.finish(CALLBACK, {**kept, "verifier": "x" * 43}, parameters)


async def test_an_id_token_of_another_log_in_is_refused(login: OidcLogin, provider: OidcProvider) -> None:
    kept, parameters = await back(login, provider)
    other, _ = await back(login, provider, "t" * 64)
    with pytest.raises(Refused, match="another log-in"):
        await login.finish(CALLBACK, {**kept, "nonce": other["nonce"]}, parameters)


async def test_a_code_that_was_used_is_refused_by_the_provider(login: OidcLogin, provider: OidcProvider) -> None:
    kept, parameters = await back(login, provider)
    await login.finish(CALLBACK, kept, parameters)
    with pytest.raises(Refused, match="invalid_grant"):
        await login.finish(CALLBACK, kept, parameters)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://other"}, "another provider"),
        ({"aud": "somebody"}, "somebody else"),
        ({"aud": None}, "somebody else"),
        ({"aud": [CLIENT, "other"]}, "asked for by somebody else"),
        ({"azp": "other"}, "asked for by somebody else"),
        ({"exp": 1_799_999_000}, "too old"),
        ({"exp": None}, "no time"),
        ({"exp": "1900000000"}, "no time"),
        ({"exp": True}, "no time"),
        ({"iat": 1_800_001_000}, "too old"),
        ({"iat": 1_799_990_000}, "too old"),
        ({"iat": None}, "no time"),
        ({"nbf": 1_800_001_000}, "too old"),
        ({"nonce": None}, "another log-in"),
        ({"nonce": "x"}, "another log-in"),
        ({"nonce": ["x"]}, "another log-in"),
        ({"sub": None}, "who that is"),
        ({"sub": ""}, "who that is"),
        ({"sub": 4711}, "who that is"),
        ({"sub": "s" * 300}, "who that is"),
    ],
)
async def test_what_an_id_token_has_to_say(login: OidcLogin, provider: OidcProvider, claims: dict[str, Any], why: str) -> None:
    provider.claims.update(claims)
    with pytest.raises(Refused, match=f"is not good: .*{why}"):
        await logged_in(login, provider)


def unsigned(_provider: OidcProvider, claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), "", "none")


def by_the_public_key(provider: OidcProvider, claims: Mapping[str, Any]) -> str:
    """HS256 with the public key, in text, as the secret: readers that take the algorithm from the token believe it."""
    text = provider.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "kid": provider.kid}).encode())
    signed = head + b"." + jwt.utils.base64url_encode(json.dumps(dict(claims)).encode())
    return (signed + b"." + jwt.utils.base64url_encode(hmac.digest(text, signed, hashlib.sha256))).decode()


def by_the_client_secret(_provider: OidcProvider, claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), SECRET * 2, "HS256")


def by_another_key(provider: OidcProvider, claims: Mapping[str, Any]) -> str:
    kid, public = provider.kid, provider.public
    provider.rotate()
    text = jwt.encode(dict(claims), provider.key, "EdDSA", {"kid": kid})
    provider.kid, provider.public = kid, public
    return text


def by_a_key_that_it_brings(provider: OidcProvider, claims: Mapping[str, Any]) -> str:
    provider.jwks = {"keys": []}
    return jwt.encode(dict(claims), provider.key, "EdDSA", {"kid": provider.kid, "jwk": provider.public})


def another_kind_of_token(provider: OidcProvider, claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), provider.key, "EdDSA", {"kid": provider.kid, "typ": "at+jwt"})


def with_what_must_be_understood(provider: OidcProvider, claims: Mapping[str, Any]) -> str:
    head = {"alg": "EdDSA", "kid": provider.kid, "crit": ["b64"], "b64": False}
    signed = b".".join(jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (head, dict(claims)))
    return (signed + b"." + jwt.utils.base64url_encode(provider.key.sign(signed))).decode()


def with_a_key_twice(provider: OidcProvider, claims: Mapping[str, Any]) -> str:
    payload = json.dumps(dict(claims))[:-1] + ', "sub": "admin"}'
    return jwt.PyJWS().encode(payload.encode(), provider.key, "EdDSA", {"kid": provider.kid})


@pytest.mark.parametrize(
    "lie",
    [
        unsigned,
        by_the_public_key,
        by_the_client_secret,
        by_another_key,
        by_a_key_that_it_brings,
        another_kind_of_token,
        with_what_must_be_understood,
        with_a_key_twice,
        lambda *_: "",
        lambda *_: "a.b.c",
        lambda *_: "x" * 100_000,
        lambda *_: 7,
    ],
)
async def test_an_id_token_that_the_provider_did_not_sign_is_refused(login: OidcLogin, provider: OidcProvider, lie: Lie) -> None:
    provider.sign = lambda claims: lie(provider, claims)
    with pytest.raises(Refused, match="is not good"):
        await logged_in(login, provider)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
async def test_signatures_of_other_providers(login: OidcLogin, provider: OidcProvider, algorithm: str) -> None:
    key: Any = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else rsa.generate_private_key(65537, 2048)
    kind = ECAlgorithm if algorithm == "ES256" else RSAAlgorithm
    provider.jwks = {"keys": [{"kty": "oct", "k": "eHg"}, {**kind.to_jwk(key.public_key(), as_dict=True), "kid": "1"}]}
    provider.sign = lambda claims: jwt.encode(dict(claims), key, algorithm, {"kid": "1"})
    assert await logged_in(login, provider)


async def test_a_new_key_is_fetched_and_not_each_time(
    login: OidcLogin, provider: OidcProvider, services: FakeApiServices
) -> None:
    await logged_in(login, provider)
    await logged_in(login, provider)
    assert provider.asked.count("/jwks") == 1
    provider.rotate()
    await services.sleep(60)
    await logged_in(login, provider)
    assert provider.asked.count("/jwks") == 2
    provider.sign = lambda claims: jwt.encode(dict(claims), provider.key, "EdDSA", {"kid": "unknown"})
    for _ in range(5):
        with pytest.raises(Refused, match="no key"):
            await logged_in(login, provider)
    assert provider.asked.count("/jwks") == 2


@pytest.mark.parametrize("kid", [None, "1"])
async def test_a_new_key_under_the_same_name_or_none_is_fetched_too(
    login: OidcLogin, provider: OidcProvider, services: FakeApiServices, kid: str | None
) -> None:
    header = {"kid": kid} if kid else {}
    provider.sign = lambda claims: jwt.encode(dict(claims), provider.key, "EdDSA", header)
    for _ in range(2):
        provider.rotate()
        provider.jwks = {"keys": [{**{name: value for name, value in provider.public.items() if name != "kid"}, **header}]}
        await services.sleep(60)
        assert await logged_in(login, provider)
    assert provider.asked.count("/jwks") == 2


@pytest.mark.parametrize("names_itself", [True, False])
async def test_who_sends_a_browser_back_is_the_provider(login: OidcLogin, provider: OidcProvider, names_itself: bool) -> None:
    provider.about["authorization_response_iss_parameter_supported"] = names_itself
    kept, parameters = await back(login, provider)
    with pytest.raises(Refused, match="another provider sent you back"):
        await login.finish(CALLBACK, kept, {**parameters, "iss": "https://other"})
    if names_itself:
        with pytest.raises(Refused, match="another provider sent you back"):
            await login.finish(CALLBACK, kept, parameters)
    assert await login.finish(CALLBACK, kept, {**parameters, "iss": provider.issuer})


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"error": "access_denied"}, "access_denied"),
        ({"error": "<script>"}, "no error of OAuth 2"),
        ({}, "no code"),
        ({"code": "c" * 5000}, "no code"),
    ],
)
async def test_a_way_back_without_a_code(login: OidcLogin, parameters: dict[str, str], said: str) -> None:
    with pytest.raises(Refused, match=said) as found:
        await login.finish(CALLBACK, {"verifier": "v", "nonce": "n"}, parameters)
    assert "<script>" not in found.value.message


@pytest.mark.parametrize(
    ("claims", "wanted"),
    [
        ({"groups": "staff"}, ("staff",)),
        ({"groups": None}, ()),
        ({"groups": ["staff", 7, None, "heads"]}, ("staff", "heads")),
        ({"groups": {"staff": True}}, ()),
        ({"preferred_username": 7}, ("staff",)),
    ],
)
async def test_groups_are_texts(
    login: OidcLogin, provider: OidcProvider, claims: dict[str, Any], wanted: tuple[str, ...]
) -> None:
    provider.claims.update(claims)
    assert (await logged_in(login, provider)).groups == wanted


async def test_a_device_logs_in_once_its_user_said_yes(login: OidcLogin, provider: OidcProvider) -> None:
    begun = await login.device_begin()
    assert (begun.code, begun.url, begun.seconds, begun.interval) == (USER_CODE, f"{provider.issuer}/enter", 300, 1)
    assert await login.device_finish(begun.kept) is None
    provider.approved = True
    assert await login.device_finish(begun.kept) == Claims(f"{provider.issuer} 4711", "Alice", ("staff",))
    with pytest.raises(Refused, match="invalid_grant"):
        await login.device_finish({"device": "another"})


async def test_a_provider_without_devices(login: OidcLogin, provider: OidcProvider) -> None:
    provider.about["device_authorization_endpoint"] = None
    with pytest.raises(Refused, match="no devices"):
        await login.device_begin()


async def test_a_public_client_sends_no_secret(provider: OidcProvider, services: FakeApiServices) -> None:
    public = OidcSettings(issuer=provider.issuer, client_id=CLIENT)
    async with opened(public, services) as login:
        with pytest.raises(Refused, match="invalid_client"):  # this provider wants one
            await logged_in(login, provider)
    await services.close()


async def test_a_provider_that_is_away_is_reported_and_so_is_its_return(
    provider: OidcProvider, services: FakeApiServices, settings: OidcSettings
) -> None:
    provider.answers["/.well-known/openid-configuration"] = (503, b"")
    async with opened(settings, services) as login:
        with pytest.raises(Refused, match="answered 503"):
            await logged_in(login, provider)
        assert "answered 503" in services.reported[-1]
        provider.answers.clear()
        await services.sleep(60)
        await logged_in(login, provider)
        assert services.reported[-1] == ""
    await services.close()

"""The log-in: authorization code with PKCE for browsers, and the device grant for who has none here.

RFC 6749, section 4.1; RFC 7636; RFC 9207; RFC 8628; OpenID Connect Core 1.0, section 3.1
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

from appliance.api.api_parts import ApiServices
from appliance.api.logins import Begun, Claims, DeviceBegun
from appliance.api.management import Refused
from appliance_login_oidc.addresses import is_safe
from appliance_login_oidc.id_token import verified
from appliance_login_oidc.provider import About, Provider
from appliance_login_oidc.settings import OidcSettings
from appliance_login_oidc.web import AGAIN, Answer, Web

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST_CODE: Final = 4096
MOST_GROUPS: Final = 4096
_ERROR: Final = re.compile(r"[a-z0-9_]{1,64}")


class OidcLogin:
    """`api.logins.Login`."""

    def __init__(self, settings: OidcSettings, secret: str, provider: Provider, web: Web, services: ApiServices) -> None:
        """`secret`: the client's; "" for a public one."""
        self._settings = settings
        self._secret = secret
        self._provider = provider
        self._web = web
        self._services = services

    async def begin(self, callback: str, state: str, secret: str) -> Begun:
        """See the protocol."""
        about = await self._provider.about()
        verifier, nonce = (_digest(f"{purpose} {secret}") for purpose in ("verifier", "nonce"))
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": callback,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": _digest(verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(about.authorization).query else "?"
        return Begun(f"{about.authorization}{joint}{urlencode(asked)}", {"verifier": verifier, "nonce": nonce})

    async def finish(self, callback: str, kept: Mapping[str, str], parameters: Mapping[str, str]) -> Claims:
        """See the protocol."""
        about = await self._provider.about()
        if (about.names_itself or "iss" in parameters) and parameters.get("iss") != self._settings.issuer:
            raise Refused("another provider sent you back", hint="begin again")
        if "error" in parameters:
            raise Refused(f"the provider said no: {_word(parameters['error'])}", hint="begin again")
        code = parameters.get("code", "")
        if not 0 < len(code) <= LONGEST_CODE:
            raise Refused("the provider sent no code", hint="begin again")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": kept["verifier"]}
        answer = await self._asked(about, about.token, form)
        return await self._claims(answer, kept["nonce"])

    async def device_begin(self) -> DeviceBegun:
        """See the protocol."""
        about = await self._provider.about()
        if not about.device:
            raise Refused("the provider lets no devices log in", hint="log in with a browser")
        said = (await self._asked(about, about.device, {"scope": " ".join(self._settings.scopes)})).said
        code, url, device = (said.get(name) for name in ("user_code", "verification_uri", "device_code"))
        if not (isinstance(code, str) and code.isprintable() and isinstance(device, str) and 0 < len(device) <= LONGEST_CODE):
            raise Refused("the provider sent no code for a device", hint=AGAIN)
        if not isinstance(url, str) or not is_safe(url, loopback=self._settings.issuer.startswith("http:")):
            raise Refused("the provider sent no page for a device", hint=AGAIN)
        return DeviceBegun(url, code, _seconds(said, "expires_in", 600), _seconds(said, "interval", 5), {"device": device})

    async def device_finish(self, kept: Mapping[str, str]) -> Claims | None:
        """See the protocol."""
        about = await self._provider.about()
        answer = await self._web_post(about, about.token, {"grant_type": DEVICE_GRANT, "device_code": kept["device"]})
        if answer.said.get("error") in {"authorization_pending", "slow_down"}:
            return None
        return await self._claims(_well(answer), "")

    async def _asked(self, about: About, url: str, form: Mapping[str, str]) -> Answer:
        """Raises Refused."""
        return _well(await self._web_post(about, url, form))

    async def _web_post(self, about: About, url: str, form: Mapping[str, str]) -> Answer:
        """With who asks. Raises Refused."""
        client = self._settings.client_id
        if self._secret and not about.secret_in_form:
            pair = f"{quote_plus(client)}:{quote_plus(self._secret)}".encode()
            return await self._web.post(url, form, {"authorization": f"Basic {base64.b64encode(pair).decode()}"})
        proof = {"client_secret": self._secret} if self._secret else {}
        return await self._web.post(url, {**form, "client_id": client, **proof}, {})

    async def _claims(self, answer: Answer, nonce: str) -> Claims:
        """Raises Refused."""
        settings = self._settings
        claims = await verified(
            answer.said.get("id_token"), self._provider, settings.issuer, settings.client_id, nonce, self._services.wall()
        )
        name = claims.get(settings.name)
        # A subject is unique at its issuer only (OpenID Connect Core, section 2).
        return Claims(
            f"{settings.issuer} {claims['sub']}", name if isinstance(name, str) else "", _groups(claims, settings.groups)
        )


@asynccontextmanager
async def opened(settings: OidcSettings, services: ApiServices) -> AsyncIterator[OidcLogin]:
    """The log-in. A provider that is away now is told to the admin, and asked again by whoever logs in."""
    secret = (await services.secret(settings.client_secret)).decode("utf-8", "strict") if settings.client_secret else ""
    web = Web(settings.authorities)
    provider = Provider(settings, web, services.wall, services.report)

    async def first_look() -> None:
        try:
            await provider.about()
        except Refused:
            return  # it was reported

    services.spawn(first_look(), "first look at the provider")
    try:
        yield OidcLogin(settings, secret, provider, web, services)
    finally:
        web.close()


def _digest(text: str) -> str:
    """SHA-256 in base64url: 43 characters, as RFC 7636 has verifiers and challenges."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _well(answer: Answer) -> Answer:
    """Raises Refused."""
    if answer.status != 200:
        raise Refused(f"the provider said no: {_word(answer.said.get('error'))} ({answer.status})", hint="begin again")
    return answer


def _word(said: object) -> str:
    """What the other side calls an error: it goes into logs and answers, so nothing but a word."""
    return said if isinstance(said, str) and _ERROR.fullmatch(said) else "something that is no error of OAuth 2"


def _groups(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    found = claims.get(claim)
    listed = found if isinstance(found, list) else [found]
    return tuple(each for each in listed[:MOST_GROUPS] if isinstance(each, str))


def _seconds(said: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = said.get(name, otherwise)
    return min(max(float(value), 1.0), 3600.0) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise

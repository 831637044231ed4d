"""What a provider says of itself (OpenID Connect Discovery 1.0), and its keys: fetched when they are needed, and kept a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from appliance.api.management import Refused
from appliance_login_oidc.addresses import is_safe
from appliance_login_oidc.keys import Key, keys_of
from appliance_login_oidc.settings import OidcSettings
from appliance_login_oidc.web import AGAIN, Web

FRESH: Final = 3600.0
"""Seconds for which both are believed."""
FAILED: Final = 5.0
"""Seconds for which a provider that failed is not asked again: who logs in then need not wait for it."""
NEW_KEY: Final = 10.0
"""Seconds after which keys are fetched again because none of them fits a token."""


class About(NamedTuple):
    """What is used of the discovery document."""

    authorization: str
    token: str
    keys: str
    device: str
    """"" where devices cannot log in (RFC 8628)."""
    secret_in_form: bool
    """The client's secret goes into the form instead of the header (RFC 6749, 2.3.1)."""
    names_itself: bool
    """It says who it is when a browser comes back (RFC 9207)."""


class Provider:
    """One."""

    def __init__(self, settings: OidcSettings, web: Web, clock: Callable[[], float], report: Callable[[str], None]) -> None:
        """`clock`: seconds. `report` tells the admin of trouble, and of its end by ""."""
        self._settings = settings
        self._web = web
        self._report = report
        self._about = _Kept(clock)
        self._keys = _Kept(clock)

    async def about(self) -> About:
        """Raises Refused."""
        url = f"{self._settings.issuer.removesuffix('/')}/.well-known/openid-configuration"
        about: About = await self._about.get(lambda: self._fetched(url, self._judged), FRESH)
        return about

    async def keys(self, within: float) -> list[Key]:
        """All that verify, fetched no more than `within` seconds ago. Raises Refused."""
        url = (await self.about()).keys

        async def fetch() -> list[Key]:
            found: list[Key] = await self._fetched(url, keys_of)
            return found

        keys: list[Key] = await self._keys.get(fetch, within)
        return keys

    async def _fetched(self, url: str, read: Callable[[Mapping[str, Any]], Any]) -> Any:
        """Raises Refused."""
        try:
            answer = await self._web.get(url)
            if answer.status != 200 or not answer.said:
                raise Refused(f"the provider answered {answer.status} without a document at {url}", hint=AGAIN)
            found = read(answer.said)
        except Refused as error:
            self._report(error.message)
            raise
        self._report("")
        return found

    def _judged(self, said: Mapping[str, Any]) -> About:
        """Raises Refused."""
        if said.get("issuer") != self._settings.issuer:
            raise Refused(
                "the provider calls itself otherwise than `issuer` in the profile", hint="write what it says, letter by letter"
            )
        methods = said.get("code_challenge_methods_supported")
        if isinstance(methods, list) and "S256" not in methods:
            raise Refused("the provider knows no PKCE by S256", hint="use another provider")
        here = self._settings.issuer.startswith("http:")
        authorization, token, keys = (said.get(name, "") for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"))
        device = said.get("device_authorization_endpoint") or ""
        if not all(is_safe(url, loopback=here) for url in (authorization, token, keys, device or token)):
            raise Refused("an address of the provider is missing, or is not https", hint=AGAIN)
        ways = said.get("token_endpoint_auth_methods_supported")
        in_form = isinstance(ways, list) and "client_secret_basic" not in ways
        return About(
            authorization, token, keys, device, in_form, said.get("authorization_response_iss_parameter_supported") is True
        )


class _Kept:
    """What was fetched last, or why it could not be."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._found: tuple[Any, float] | None = None
        self._failed: tuple[Refused, float] | None = None

    async def get(self, fetch: Callable[[], Any], within: float) -> Any:
        """What is not older than `within` seconds, fetched if there is none. Raises Refused."""
        async with self._one_at_a_time:
            now = self._clock()
            if self._found is not None and abs(now - self._found[1]) < within:
                return self._found[0]
            if self._failed is not None and abs(now - self._failed[1]) < FAILED:
                raise Refused(self._failed[0].message, hint=self._failed[0].hint)
            try:
                value = await fetch()
            except Refused as error:
                self._failed = error, self._clock()
                raise
            self._found, self._failed = (value, self._clock()), None
            return value

"""Who calls, by the access token of the API server: a JWT (RFC 9068) that its published keys verify, without asking it each time.

A token is good for ten minutes, also if its user was locked meanwhile. An application that must not wait for that asks the API
server itself (`users.profile` with the token).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
import jwt

from appliance_fastapi.problems import Refused, not_known

AUDIENCE = "appliance"
TYPE = "at+jwt"
"""RFC 9068, section 2.1: no other kind of token gives access."""
LEEWAY = 30
"""Seconds by which clocks may differ."""
LONGEST = 8192
"""Characters of a token."""
FRESH = 300.0
"""Seconds after which keys are fetched anew: one that was taken out of use is believed no longer."""
KEPT = 900.0
"""Seconds for which keys count while the API server cannot be reached."""
BETWEEN = 10.0
"""Seconds between two attempts, whatever keys tokens name: who makes tokens up makes nobody fetch."""


@dataclass(frozen=True)
class Caller:
    """Who calls."""

    user: str
    """The user's id; it stays when he is called otherwise."""
    roles: tuple[str, ...]
    scopes: tuple[str, ...] | None
    """For a program: all that its token may do. None for a user who logged in."""
    token: str = field(repr=False)
    """For asking the API server in his name."""

    def may(self, roles: tuple[str, ...], scope: str) -> bool:
        """Has he one of these roles, and his token that scope if it is a program's?"""
        return any(role in self.roles for role in roles) and (self.scopes is None or scope in self.scopes)


class Callers:
    """Judges tokens by the keys of one API server."""

    def __init__(
        self,
        url: str,
        http: httpx.AsyncClient,
        *,
        issuer: str | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`issuer`: as tokens have to name it, urn:appliance: and the node's identity; None: whoever has the keys."""
        self._url = f"{url.rstrip('/')}/api/v1/auth/keys"
        self._http = http
        self._issuer = issuer
        self._now = now
        self._keys: dict[str, Any] = {}
        self._fetched = self._tried = float("-inf")
        self._turn = asyncio.Lock()

    async def known(self, authorization: str) -> Caller:
        """By the header Authorization. Raises Refused."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > LONGEST:
            raise not_known("an access token is missing")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TYPE or not isinstance(header.get("kid"), str):
                raise not_known("this is no access token")
            claims: dict[str, Any] = jwt.decode(
                token,
                await self._key(header["kid"]),
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except jwt.ExpiredSignatureError:
            raise not_known("the access token has expired") from None
        except (jwt.PyJWTError, ValueError):
            raise not_known("the access token is not valid") from None
        roles, scope = claims.get("roles"), claims.get("scope")
        return Caller(
            str(claims["sub"]),
            tuple(map(str, roles)) if isinstance(roles, list) else (),
            tuple(scope.split()) if isinstance(scope, str) else None,
            token,
        )

    async def _key(self, kid: str) -> Any:
        if kid not in self._keys or self._now() - self._fetched > FRESH:
            async with self._turn:
                await self._fetch()
        if self._now() - self._fetched > KEPT:
            hint = "it works again when the application reaches the node's API server"
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "NoKeys", "tokens cannot be verified now", hint, {"Retry-After": "10"})
        if kid not in self._keys:
            raise not_known("the access token is not valid")
        return self._keys[kid]

    async def _fetch(self) -> None:
        """Unless somebody did so just now. Where it fails, the keys that are known stay."""
        if self._now() - self._tried < BETWEEN:
            return
        self._tried = self._now()
        try:
            answer = await self._http.get(self._url)
            answer.raise_for_status()
            found = [key for key in answer.json()["keys"] if (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519")]
            self._keys = {key["kid"]: jwt.PyJWK.from_dict(key, "EdDSA").key for key in found}
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, LookupError, TypeError, AttributeError):
            return
        self._fetched = self._now()

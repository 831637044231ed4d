"""ID tokens: verified by the letter of OpenID Connect Core 1.0, section 3.1.3.7, and of RFC 8725."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any, Final

from jwt import PyJWTError
from jwt.api_jws import PyJWS

from appliance.api.management import Refused
from appliance_login_oidc.provider import FRESH, NEW_KEY, Provider
from appliance_login_oidc.web import json_object

ALGORITHMS: Final = ("EdDSA", "ES256", "RS256", "PS256")
"""Signatures by a key pair. Never `none`, and no HMAC: its key would be the client's secret, which more people know."""
LONGEST: Final = 65_536
"""Characters."""
LEEWAY: Final = 60
"""Seconds by which clocks may differ."""
OLDEST: Final = 900
"""Seconds since it was issued: it comes straight from the provider."""


async def verified(text: object, provider: Provider, issuer: str, client: str, nonce: str, now: float) -> dict[str, Any]:
    """The claims. `nonce`: which it has to have; "": none was sent. Raises Refused."""
    if not isinstance(text, str) or len(text) > LONGEST or text.count(".") != 2:
        raise _bad("there is none")
    header = json_object(_decoded(text.partition(".")[0])) or {}
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if algorithm not in ALGORITHMS:
        raise _bad("its algorithm is not taken")
    if "crit" in header or not isinstance(kid, str) or str(header.get("typ", "JWT")).upper() != "JWT":
        raise _bad("its header is none of an ID token")
    for within in (FRESH, NEW_KEY):
        for key in await provider.keys(within):
            fits = algorithm in key.algorithms and kid in {"", key.kid}
            if fits and (claims := _signed(text, key.public, algorithm)) is not None:
                _judge(claims, issuer, client, nonce, now)
                return claims
    raise _bad("no key of the provider fits its signature")


def _signed(text: str, public: Any, algorithm: str) -> dict[str, Any] | None:
    """The claims, if that key signed them."""
    try:
        payload: bytes = PyJWS(algorithms=[algorithm]).decode(text, public, algorithms=[algorithm])
    except (PyJWTError, ValueError, TypeError):
        return None
    return json_object(payload)


def _judge(claims: Mapping[str, Any], issuer: str, client: str, nonce: str, now: float) -> None:
    """Raises Refused."""
    if claims.get("iss") != issuer:
        raise _bad("another provider issued it")
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    if client not in listed:
        raise _bad("it is for somebody else")
    if ("azp" in claims or len(listed) > 1) and claims.get("azp") != client:
        raise _bad("it was asked for by somebody else")
    issued, ends, begins = (
        _moment(claims.get(name, otherwise)) for name, otherwise in (("iat", None), ("exp", None), ("nbf", 0))
    )
    if not (now - LEEWAY < ends and now - OLDEST < issued < now + LEEWAY and begins < now + LEEWAY):
        raise _bad("it is too old, or too new: do the clocks of both hosts go right?")
    if nonce and not hmac.compare_digest(str(claims.get("nonce", "")).encode("utf-8", "replace"), nonce.encode()):
        raise _bad("it was made for another log-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise _bad("it does not say who that is")


def _moment(value: object) -> float:
    """Raises Refused."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise _bad("it has no time")
    return value


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _bad(why: str) -> Refused:
    return Refused(f"the provider's ID token is not good: {why}", hint="begin again")

"""Access tokens: short-lived JWTs (RFC 9068), signed by Ed25519 and by nothing else.

They say who somebody is for ten minutes, so that not every question has to be looked up. What can change within that time (roles,
whether the user may still come in) is not believed from the token but looked up again, see `Callers`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam import jws
from appliance.management.iam.jws import NotSigned
from appliance.management.iam.signing_keys import Ring

ALGORITHM: Final = "EdDSA"
TYPE: Final = "at+jwt"
"""RFC 9068, 2.1: so that no other kind of token passes for one that gives access."""
LIFE: Final = 600
"""Seconds."""
LEEWAY: Final = 30
"""Seconds by which clocks may differ."""
JTI_BYTES: Final = 16
MOST_ROLES: Final = 32
MOST_SCOPES: Final = 64

_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_WORD: Final = re.compile(r"[a-z][A-Za-z0-9_.-]{0,127}")
_HEADER: Final = {"alg", "typ", "kid"}


class TokenNotValid(ApplianceError):
    """That is no token of ours, or one that was ended: by a log-out, by its owner, by an admin."""

    exit_code = ExitCode.PERMISSION

    def __init__(self) -> None:
        super().__init__("the token is not valid", hint="log in again, or make another API token")


class TokenExpired(ApplianceError):
    """The token was good, and its time is over."""

    exit_code = ExitCode.PERMISSION

    def __init__(self) -> None:
        super().__init__("the token has expired", hint="get another by the refresh token, or log in again")


class Access(NamedTuple):
    """What an access token says."""

    user: str
    """The user's id (`sub`)."""
    epoch: int
    """The user's epoch when it was made."""
    roles: tuple[str, ...]
    """The user's roles when it was made: for others who read the token."""
    jti: str
    """Names this token. May be logged."""
    issued: int
    """Unix seconds (`iat`)."""
    expires: int
    """Unix seconds (`exp`)."""
    family: str = ""
    """The log-in it comes from; "" for one of an API token."""
    accessor: str = ""
    """The API token that it was got by (`client_id`); "" for one of a log-in."""
    scopes: tuple[str, ...] = ()
    """For one of an API token: the permissions that it is held to."""


class Realm(NamedTuple):
    """Who issues tokens, and for whom."""

    issuer: str
    """A URI that names this API server, or all those that share its store."""
    audience: str


def issue(access: Access, realm: Realm, ring: Ring) -> str:
    """The token's text."""
    kid, key = ring.signer
    claims: dict[str, Any] = {
        "iss": realm.issuer, "aud": realm.audience, "sub": access.user, "jti": access.jti, "iat": access.issued,
        "exp": access.expires, "roles": list(access.roles), "epoch": access.epoch, "client_id": access.accessor or "user",
    }  # fmt: skip
    if access.family:
        claims["family"] = access.family
    if access.accessor:
        claims["scope"] = " ".join(access.scopes)
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return jws.signed({"typ": TYPE, "kid": kid}, payload, key, ALGORITHM)


def kid_of(text: str) -> str:
    """Which key a text says it is signed by; nobody has looked yet. Raises TokenNotValid."""
    try:
        kid = jws.header_of(text).get("kid")
    except NotSigned:
        raise TokenNotValid from None
    if not isinstance(kid, str):
        raise TokenNotValid
    return kid


def read(text: str, realm: Realm, ring: Ring, now: float) -> Access:
    """What a token says that is good now. Raises TokenNotValid and TokenExpired, and nothing else, whatever the text is."""
    try:
        header = jws.header_of(text)
        if set(header) != _HEADER or header["typ"] != TYPE or not isinstance(header["kid"], str):
            raise NotSigned("another kind of token")
        key = ring.public(header["kid"], now)
        if key is None:
            raise NotSigned("another key")
        access = _access(jws.json_object(jws.verified(text, key, ALGORITHM)), realm)
    except NotSigned:
        raise TokenNotValid from None
    judge_time(access, now)
    return access


def judge_time(access: Access, now: float) -> None:
    """Is it good now? Raises TokenNotValid for one from the future, or with a longer life than any; TokenExpired."""
    if access.issued > now + LEEWAY or access.expires - access.issued > LIFE:
        raise TokenNotValid
    if now >= access.expires + LEEWAY:
        raise TokenExpired


def _access(claims: dict[str, Any], realm: Realm) -> Access:
    """Each claim judged by its type. Raises NotSigned."""
    if claims.get("iss") != realm.issuer or claims.get("aud") != realm.audience:
        raise NotSigned("of another issuer, or for somebody else")
    client = _id(claims, "client_id")
    accessor = "" if client == "user" else client
    scope = claims.get("scope", "")
    if not isinstance(scope, str) or bool(scope) != bool(accessor) or ("family" in claims) == bool(accessor):
        raise NotSigned("claims that do not go together")
    return Access(
        _id(claims, "sub"),
        _whole(claims, "epoch"),
        _words(claims.get("roles"), MOST_ROLES),
        _id(claims, "jti"),
        _whole(claims, "iat"),
        _whole(claims, "exp"),
        "" if accessor else _id(claims, "family"),
        accessor,
        _words(scope.split(" ") if scope else [], MOST_SCOPES),
    )


def _id(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise NotSigned(f"{name} is none")
    return value


def _whole(claims: dict[str, Any], name: str) -> int:
    """A number without a fraction; `true` is none."""
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise NotSigned(f"{name} is none")
    return value


def _words(value: Any, most: int) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > most:
        raise NotSigned("no list of words")
    if not all(isinstance(word, str) and _WORD.fullmatch(word) for word in value):
        raise NotSigned("no list of words")
    return tuple(value)

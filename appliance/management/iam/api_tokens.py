"""API tokens: for programs, until they expire or are revoked.

    apl_ACCESSOR_SECRETCHECK     ACCESSOR: 16 of 0-9a-f, may be logged. SECRET: 52 of a-z2-7 (256 bits), may not.
                                 CHECK: 6 of a-z2-7, the start of a digest over all before it

The check tells a token that was cut off from one that was revoked, and lets scanners of leaked secrets find ours without asking.
Only the secret's digest is kept: it has 256 random bits, so a slow hash would protect nothing more.

An accessor and a secret are also an OAuth 2 client's id and secret (RFC 6749, 4.4).
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Collection
from hashlib import sha256
from typing import Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode

PREFIX: Final = "apl_"
ACCESSOR_BYTES: Final = 8
SECRET_BYTES: Final = 32
RANDOM_BYTES: Final = ACCESSOR_BYTES + SECRET_BYTES
MOST_TOKENS: Final = 100
"""Tokens of one user."""
LONGEST_SECONDS: Final = 366 * 86_400
LONGEST_NAME: Final = 100
MOST_SCOPES: Final = 64
LAST_USED_EVERY: Final = 600
"""Seconds: how exact `last_used` is. It is written at most so often."""

_FORM: Final = re.compile(r"apl_([0-9a-f]{16})_([a-z2-7]{52})([a-z2-7]{6})")
_SECRET: Final = re.compile(r"[a-z2-7]{58}")


class TokenRefused(ApplianceError):
    """That cannot be a token: it would do more than whoever makes it, or a limit is reached."""

    exit_code = ExitCode.INVALID


class ApiToken(NamedTuple):
    """A token, as it is kept."""

    accessor: str
    digest: str
    """Of the secret."""
    user: str
    """The id of its owner."""
    name: str
    """What it is for."""
    scopes: tuple[str, ...]
    """Permissions. It has those of them that its owner has at the moment."""
    created: int
    """Unix seconds."""
    expires: int
    """Unix seconds."""
    last_used: int = 0
    """Unix seconds, up to LAST_USED_EVERY too early; 0: never."""

    def __repr__(self) -> str:
        return f"ApiToken({self.accessor})"


def token_of(random: bytes, user: str, name: str, scopes: Collection[str], now: int, seconds: int) -> tuple[ApiToken, str]:
    """A new token, and its text. `random`: RANDOM_BYTES. Raises TokenRefused."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise TokenRefused(f"a token's name has 1 to {LONGEST_NAME} characters that can be printed", hint="say what it is for")
    if not scopes or len(scopes) > MOST_SCOPES:
        raise TokenRefused(f"a token has 1 to {MOST_SCOPES} scopes", hint="name the permissions that the program needs")
    if not 0 < seconds <= LONGEST_SECONDS:
        raise TokenRefused(f"a token is good for up to {LONGEST_SECONDS // 86_400} days", hint="choose a shorter time")
    accessor, secret = random[:ACCESSOR_BYTES].hex(), _base32(random[ACCESSOR_BYTES:])
    token = ApiToken(accessor, _digest(secret), user, name.strip(), tuple(sorted(set(scopes))), now, now + seconds)
    start = f"{PREFIX}{accessor}_{secret}"
    return token, start + _check(start)


def read(text: str) -> tuple[str, str] | None:
    """Accessor and secret; None if it is no token, or not the whole of one."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    accessor, secret, check = found.groups()
    return (accessor, secret) if hmac.compare_digest(check, _check(f"{PREFIX}{accessor}_{secret}")) else None


def client_secret(text: str) -> str:
    """What a client sends for this token as its secret (RFC 6749, 2.3.1): the part behind the accessor."""
    return text.rsplit("_", 1)[1]


def text_of_client(client_id: str, secret: str) -> str:
    """The token that a client's id and secret are. A client may also send the token's whole text as its secret."""
    return f"{PREFIX}{client_id}_{secret}" if _SECRET.fullmatch(secret) else secret if f"_{client_id}_" in secret else ""


def is_secret_of(secret: str, token: ApiToken) -> bool:
    """Is it this token's secret? In constant time."""
    return hmac.compare_digest(_digest(secret), token.digest)


def kept_until(token: ApiToken) -> int:
    """Unix seconds: a day longer than it is good, so that a program which comes too late is told so."""
    return token.expires + 86_400


def is_over(token: ApiToken, now: float) -> bool:
    """Has it expired?"""
    return now >= token.expires


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _check(start: str) -> str:
    return _base32(sha256(start.encode()).digest())[:6]


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()

"""The second factor: codes of an authenticator application (RFC 6238), and recovery codes for the day it is lost."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECRET_BYTES: Final = 20
"""RFC 4226, 4: at least 16, recommended 20."""
DIGITS: Final = 6
PERIOD: Final = 30
"""Seconds of one code. SHA-1, six digits and 30 s are what every application can do."""
WINDOW: Final = 1
"""Periods before and after now whose codes are good: clocks differ, and people type slowly."""
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
"""80 bits a code: nobody finds it from the digest that is kept."""

_SECRET: Final = re.compile(r"[A-Z2-7]{32}")


def secret_text(random: bytes) -> str:
    """`SECRET_BYTES` random bytes as applications take them: base32."""
    return base64.b32encode(random).decode()


def otpauth(secret: str, name: str, issuer: str) -> str:
    """The URI that a QR code shows to the application."""
    return _totp(secret).get_provisioning_uri(name, issuer)


def accepted(secret: str, code: str, now: float, used: int) -> int | None:
    """The number of the period whose code this is; None if it is no code of now. Keep the number: it is `used` from then on.

    Each code is good once: periods up to `used` are over (RFC 6238, 5.2). A `used` that lies ahead was noted by a clock that went
    back since, and means nothing.
    """
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()) or not _SECRET.fullmatch(secret):
        return None
    period = int(now // PERIOD)
    used = -1 if used > period + WINDOW else used
    found = None
    for candidate in range(max(period - WINDOW, used + 1, 0), period + WINDOW + 1):
        if hmac.compare_digest(_totp(secret).generate(candidate * PERIOD), code.encode()):
            found = candidate
    return found


def recovery_codes(random: bytes) -> list[str]:
    """Codes to write down, from `RECOVERY_CODES` × `RECOVERY_BYTES` random bytes: "abcd-efgh-ijkl-mnop"."""
    pieces = [random[at : at + RECOVERY_BYTES] for at in range(0, RECOVERY_CODES * RECOVERY_BYTES, RECOVERY_BYTES)]
    texts = [base64.b32encode(piece).decode().lower() for piece in pieces]
    return ["-".join(text[at : at + 4] for at in range(0, len(text), 4)) for text in texts]


def recovery_digest(code: str) -> str:
    """What is kept of a recovery code. Case, dashes and blanks do not matter."""
    plain = "".join(code.lower().replace("-", "").split())
    return sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def without(digests: Iterable[str], code: str) -> tuple[str, ...] | None:
    """The digests that are left after this recovery code was used; None if it is none of them."""
    kept, digest = tuple(digests), recovery_digest(code)
    left = tuple(one for one in kept if not hmac.compare_digest(one, digest))
    return left if len(left) < len(kept) else None


def _totp(secret: str) -> TOTP:
    # what applications can do (HMAC needs no more of a hash); a secret that is none would be an empty key, which everybody has
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), PERIOD)  # noqa: S303

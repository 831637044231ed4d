"""Refresh tokens: each is good once and brings its successor. Those of one log-in are a family, which ends as a whole.

    apr_ + base64url of   family (16 bytes) | generation (4) | secret (32) | tag (16)

Two tabs of a browser may use the same token at the same moment. So for ten seconds after a token was used it brings the *same*
successor again. Later its use means that somebody has a copy: the family ends, and no other.

The successor need not be kept for that, because it is made anew:

    successor's secret = HMAC-SHA256(family's key, "successor" | generation | secret that was presented)

Only whoever has both can make it. Whoever steals the store has the key, but of the secrets only digests. Whoever steals a token
that was used has its secret, but not the key. The tag, an HMAC under the same key, tells an old token of this family from a
made-up one: whoever knows no more than a family's number cannot end it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from enum import Enum
from hashlib import sha256
from typing import Final, NamedTuple

PREFIX: Final = "apr_"
FAMILY_BYTES: Final = 16
SECRET_BYTES: Final = 32
KEY_BYTES: Final = 32
RANDOM_BYTES: Final = FAMILY_BYTES + SECRET_BYTES + KEY_BYTES
"""What a new family wants."""
TAG_BYTES: Final = 16
TOKEN_BYTES: Final = FAMILY_BYTES + 4 + SECRET_BYTES + TAG_BYTES
GRACE: Final = 10
"""Seconds in which a used token still brings its successor."""
LIFE: Final = 30 * 86_400
"""Seconds after the log-in at which every family ends."""
IDLE: Final = 7 * 86_400
"""Seconds without a refresh after which it ends."""
MOST_FAMILIES: Final = 32
"""Families of one user: with the next log-in the oldest ends."""


class Family(NamedTuple):
    """All refresh tokens of one log-in, as they are kept."""

    id: str
    """In hexadecimal digits. May be logged."""
    user: str
    """The user's id."""
    epoch: int
    """The user's epoch at the log-in."""
    key: str
    """Secret, in hexadecimal digits."""
    digest: str
    """Of the secret of the token that is good now."""
    created: int
    """Unix seconds."""
    refreshed: int
    """Unix seconds of the last change of the token."""
    generation: int = 0
    previous: str = ""
    """The digest of the secret that the last change used up."""
    client: str = ""
    """What logged in, as it called itself."""

    @property
    def expires(self) -> int:
        """Unix seconds."""
        return min(self.created + LIFE, self.refreshed + IDLE)

    def __repr__(self) -> str:
        return f"Family({self.id}, {self.generation})"


class Presented(NamedTuple):
    """A token that somebody presents. Nothing of it is judged but its form."""

    family: str
    generation: int
    secret: bytes
    tag: bytes

    def __repr__(self) -> str:
        return f"Presented({self.family}, {self.generation})"


class Outcome(Enum):
    """What a presented token leads to."""

    CHANGED = "changed"
    """It was the one. The family that is returned has to be kept before anybody hears of the successor."""
    AGAIN = "again"
    """It was used a moment ago: the same successor, and nothing to keep."""
    REPLAYED = "replayed"
    """It was used before: end the family."""
    OVER = "over"
    """The family's time is over."""
    UNKNOWN = "unknown"
    """No token of this family."""


class Judgement(NamedTuple):
    """What `judged` says."""

    outcome: Outcome
    family: Family
    token: str = ""
    """The successor's text, for CHANGED and AGAIN."""

    def __repr__(self) -> str:
        return f"Judgement({self.outcome.value}, {self.family!r})"


def new_family(random: bytes, user: str, epoch: int, now: int, client: str = "") -> tuple[Family, str]:
    """A family and its first token. `random`: RANDOM_BYTES."""
    number, secret, key = random[:16], random[16 : 16 + SECRET_BYTES], random[16 + SECRET_BYTES :]
    family = Family(number.hex(), user, epoch, key.hex(), sha256(secret).hexdigest(), now, now, client=client[:100])
    return family, _text(family, 0, secret)


def read(text: str) -> Presented | None:
    """None: it is no refresh token."""
    if not text.startswith(PREFIX) or len(text) != len(PREFIX) + (TOKEN_BYTES * 4 + 2) // 3:
        return None
    body = text[len(PREFIX) :]
    try:
        plain = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return None
    if len(plain) != TOKEN_BYTES or _base64(plain) != body:
        return None
    secret, tag = plain[20 : 20 + SECRET_BYTES], plain[-TAG_BYTES:]
    return Presented(plain[:16].hex(), int.from_bytes(plain[16:20], "big"), secret, tag)


def judged(family: Family, presented: Presented, now: int) -> Judgement:
    """What becomes of the family. A clock that went back makes no family younger: `expires` counts from what it said before."""
    if not hmac.compare_digest(_tag(family, presented.generation, presented.secret), presented.tag):
        return Judgement(Outcome.UNKNOWN, family)
    if now >= family.expires:
        return Judgement(Outcome.OVER, family)
    digest = sha256(presented.secret).hexdigest()
    successor = _successor(family, presented)
    if hmac.compare_digest(digest, family.digest):
        generation = family.generation + 1
        changed = family._replace(digest=sha256(successor).hexdigest(), previous=digest, refreshed=now, generation=generation)
        return Judgement(Outcome.CHANGED, changed, _text(family, generation, successor))
    if hmac.compare_digest(digest, family.previous) and abs(now - family.refreshed) <= GRACE:
        return Judgement(Outcome.AGAIN, family, _text(family, family.generation, successor))
    return Judgement(Outcome.REPLAYED, family)


def _successor(family: Family, presented: Presented) -> bytes:
    message = b"successor" + presented.generation.to_bytes(4, "big") + presented.secret
    return hmac.digest(bytes.fromhex(family.key), message, "sha256")


def _tag(family: Family, generation: int, secret: bytes) -> bytes:
    return hmac.digest(bytes.fromhex(family.key), b"tag" + generation.to_bytes(4, "big") + secret, "sha256")[:TAG_BYTES]


def _text(family: Family, generation: int, secret: bytes) -> str:
    tag = _tag(family, generation, secret)
    return PREFIX + _base64(bytes.fromhex(family.id) + generation.to_bytes(4, "big") + secret + tag)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

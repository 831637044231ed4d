"""The keys that sign access tokens (Ed25519): one signs, those before it verify until the last token they signed is over."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_BYTES: Final = 32
KEPT_SECONDS: Final = 700
"""How long a key verifies after another took its place: the life of an access token (600 s), and clocks that differ."""
LIFE: Final = 30 * 86_400
"""Seconds after which another key takes its place by itself."""
MOST_KEYS: Final = 8
"""Of those that were replaced in a hurry, the oldest are dropped."""


class SigningKey(NamedTuple):
    """A key, as it is kept."""

    kid: str
    """Its JWK thumbprint (RFC 7638)."""
    seed: str
    """The private key, in hexadecimal digits. Secret."""
    created: int
    """Unix seconds."""
    retired: int = 0
    """Unix seconds from which on another signs; 0: this one does."""

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"


class Ring:
    """The keys, ready for use. The newest is the first, and signs."""

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        self.keys = tuple(keys)
        self._private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.keys[0].seed))
        self._public = {key.kid: (key, _private(key).public_key()) for key in self.keys}

    @property
    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """The key that signs, with its kid."""
        return self.keys[0].kid, self._private

    def public(self, kid: str, now: float) -> Ed25519PublicKey | None:
        """The key that verifies what names this one; None if there is none, or its time is over."""
        found = self._public.get(kid)
        return found[1] if found and _verifies(found[0], now) else None

    def is_due(self, now: float) -> bool:
        """Is it time for another key?"""
        return now - self.keys[0].created >= LIFE

    def jwks(self, now: float) -> dict[str, Any]:
        """The public keys as others read them (RFC 7517, 5; RFC 8037, 2)."""
        return {
            "keys": [
                {**_jwk(public), "kid": kid, "use": "sig", "alg": "EdDSA"}
                for kid, (key, public) in self._public.items()
                if _verifies(key, now)
            ]
        }


def rotated(keys: Iterable[SigningKey], seed: bytes, now: int) -> tuple[SigningKey, ...]:
    """The keys after another took the signing over. Those whose tokens are all over are gone. `seed`: SEED_BYTES."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    newest = SigningKey(_thumbprint(public), seed.hex(), now)
    before = [key if key.retired else key._replace(retired=now) for key in keys]
    return (newest, *(key for key in before if _verifies(key, now)))[:MOST_KEYS]


def _verifies(key: SigningKey, now: float) -> bool:
    return not key.retired or now < key.retired + KEPT_SECONDS


def _private(key: SigningKey) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key.seed))


def _jwk(public: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64(public.public_bytes_raw())}


def _thumbprint(public: Ed25519PublicKey) -> str:
    """RFC 7638, 3 and RFC 8037, 2: over the required members, ordered, without blanks."""
    return _base64(sha256(json.dumps(_jwk(public), separators=(",", ":"), sort_keys=True).encode()).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

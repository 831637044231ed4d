"""Public keys of a provider (JWKS, RFC 7517): those that may sign ID tokens, each for the algorithms of its kind only.

So nothing is verified by a key that was made for something else: no RSA key as the secret of an HMAC, no key without an algorithm
(RFC 8725, 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWTError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

MOST_KEYS: Final = 64
LEAST_RSA: Final = 2048
"""Bits (RFC 7518, 3.3)."""
MOST_RSA: Final = 8192
_LONGEST_NUMBER: Final = 1400
"""Characters in Base64: a modulus of MOST_RSA has 1366."""


class Key(NamedTuple):
    """A key that verifies."""

    kid: str
    """"" where it has none."""
    algorithms: tuple[str, ...]
    public: Any
    """Of `cryptography`."""


def keys_of(document: Mapping[str, Any]) -> list[Key]:
    """The keys that can be used; others are left out."""
    listed = document.get("keys")
    found = [_key(each) for each in listed[:MOST_KEYS]] if isinstance(listed, list) else []
    return [each for each in found if each is not None]


def _key(jwk: object) -> Key | None:
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    if any(
        isinstance(value, str) and len(value) > _LONGEST_NUMBER for name, value in jwk.items() if name in {"n", "e", "x", "y"}
    ):
        return None
    try:
        public, algorithms = _read(jwk)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    if (said := jwk.get("alg")) is not None:
        algorithms = tuple(each for each in algorithms if each == said)
    kid = jwk.get("kid", "")
    return Key(kid, algorithms, public) if algorithms and isinstance(kid, str) else None


def _read(jwk: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """Raises much."""
    kind, curve = jwk.get("kty"), jwk.get("crv")
    public: Any
    if kind == "RSA":
        public = RSAAlgorithm.from_jwk(jwk)
        well = isinstance(public, RSAPublicKey) and LEAST_RSA <= public.key_size <= MOST_RSA
        return public, ("RS256", "PS256") if well else ()
    if (kind, curve) == ("EC", "P-256"):
        public = ECAlgorithm.from_jwk(jwk)
        return public, ("ES256",) if isinstance(public, EllipticCurvePublicKey) else ()
    if (kind, curve) == ("OKP", "Ed25519"):
        public = OKPAlgorithm.from_jwk(jwk)
        return public, ("EdDSA",) if isinstance(public, Ed25519PublicKey) else ()
    return None, ()

"""Hashes of whole messages, from the library that does all other cryptography: `hashlib` would load a second OpenSSL, 4 MB.

Comparing is what `hmac.compare_digest` is, from where that has it: `hmac` loads `hashlib`, and so does the library's own.
"""

from __future__ import annotations

from _operator import _compare_digest as bytes_eq

from cryptography.hazmat.primitives.hashes import SHA256, SHA512, Hash, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

__all__ = ["bytes_eq", "hmac_sha256", "hmac_sha512", "sha256", "sha512"]


def sha256(message: bytes) -> bytes:
    """The 32 bytes of FIPS 180-4."""
    return _hash(SHA256(), message)


def sha512(message: bytes) -> bytes:
    """The 64 bytes of FIPS 180-4."""
    return _hash(SHA512(), message)


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The 32 bytes of RFC 2104."""
    return _hmac(SHA256(), key, message)


def hmac_sha512(key: bytes, message: bytes) -> bytes:
    """The 64 bytes of RFC 2104."""
    return _hmac(SHA512(), key, message)


def _hash(algorithm: HashAlgorithm, message: bytes) -> bytes:
    running = Hash(algorithm)
    running.update(message)
    return running.finalize()


def _hmac(algorithm: HashAlgorithm, key: bytes, message: bytes) -> bytes:
    running = HMAC(key, algorithm)
    running.update(message)
    return running.finalize()

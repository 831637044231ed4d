"""Registers the suites. Data only: the worker imports the ciphers by their paths."""

from __future__ import annotations

from appliance.api.crypto import CryptoSuite
from appliance.api.hookspecs import hookimpl

_LIBRARY = "cryptography.hazmat.primitives.ciphers.aead"

AES_256_GCM = CryptoSuite(
    name="aes-256-gcm",
    wire_id=1,
    key_bytes=32,
    tag_bytes=16,
    aead=f"{_LIBRARY}:AESGCM",
    max_records=1 << 32,  # NIST SP 800-38D, 8.3: invocations of one key
)
CHACHA20_POLY1305 = CryptoSuite(
    name="chacha20-poly1305",
    wire_id=2,
    key_bytes=32,
    tag_bytes=16,
    aead=f"{_LIBRARY}:ChaCha20Poly1305",
    max_records=1 << 36,  # RFC 8446, 5.5: no practical limit; kept below the record numbers
)
HSE = CryptoSuite(
    name="hse",
    wire_id=3,
    key_bytes=64,
    tag_bytes=32,
    aead="appliance_crypto_standard.cascade:Cascade",
    max_records=1 << 32,
)
NULL = CryptoSuite(
    name="null",
    wire_id=0x7FFF,
    key_bytes=32,
    tag_bytes=0,
    aead="appliance_crypto_standard.null:Null",
    lab_only=True,
)


@hookimpl
def appliance_crypto_suites() -> tuple[CryptoSuite, ...]:
    """Three suites for use, and one for measuring what a cipher costs."""
    return AES_256_GCM, CHACHA20_POLY1305, HSE, NULL

"""Proofs that a peer has a key. Pure.

A peer signs four lines: PURPOSE, host, id and nonce. The nonce is of this server and good once; `host` is what the peer connected
to, so a server that passes on another one's challenge gets a proof that is good for itself alone.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

PURPOSE: Final = "appliance-signalling-register-1"
NONCE_BYTES: Final = 32
ED25519: Final = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of a key in its SubjectPublicKeyInfo (RFC 8410, section 4)."""
P256: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""What stands before x and y, 64 bytes, of an uncompressed point on P-256 (RFC 5480, section 2)."""


class NoKey(Exception):
    """It is no key that can be used."""


def key_of(text: str) -> bytes:
    """The key in a message: one form for one key, so that bytes can be compared. Raises NoKey."""
    try:
        der = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NoKey from None
    if (der[: len(ED25519)], len(der)) == (ED25519, 44) or (der[: len(P256)], len(der)) == (P256, 91):
        return der
    raise NoKey


def is_proof(key: bytes, signature: str, host: str, peer: str, nonce: str) -> bool:
    """Did the holder of `key` (of `key_of`) sign that? Costs a tenth of a millisecond."""
    said = f"{PURPOSE}\n{host}\n{peer}\n{nonce}".encode()
    raw = base64.b64decode(signature)
    try:
        found = load_der_public_key(key)
        if isinstance(found, Ed25519PublicKey):
            found.verify(raw, said)
        elif isinstance(found, EllipticCurvePublicKey):
            pair = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            found.verify(pair, said, ECDSA(SHA256()))
        else:
            return False
    except (InvalidSignature, ValueError):  # ValueError: no point of the curve
        return False
    return True

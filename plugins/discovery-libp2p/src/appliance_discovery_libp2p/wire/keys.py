"""Who a peer is: its public key, and the peer id that is made from it (libp2p specs, peer-ids/peer-ids.md).

    PublicKey   protobuf { 1: type (0 RSA, 1 Ed25519, 2 Secp256k1, 3 ECDSA)  2: the key }
    PeerId      multihash: identity (0x00) of a PublicKey of at most 42 bytes, else SHA-256 (0x12)

This node has an Ed25519 key. Others may have any; their signatures are checked by `cryptography`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from appliance_discovery_libp2p.wire import base58, protobuf
from appliance_discovery_libp2p.wire.malformed import Malformed

RSA, ED25519, SECP256K1, ECDSA = range(4)
IDENTITY: Final = b"\x00"
SHA2_256: Final = b"\x12\x20"
MOST_INLINE: Final = 42
"""Bytes of a public key that is its own peer id."""
LONGEST_KEY: Final = 1200
"""Bytes of a PublicKey: RSA with 8192 bits, the largest that others take."""
LONGEST_ID: Final = 2 + MOST_INLINE
RSA_BITS: Final = range(2048, 8193)
MOST_EXPONENT: Final = 2**32
"""Of an RSA key. All use 65537; with one as long as the key, a check of a signature takes a hundred times as long."""


class OwnKey:
    """The Ed25519 key pair of a node in libp2p networks, from its 32 secret bytes."""

    def __init__(self, secret: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = protobuf.write((1, ED25519), (2, self._private.public_key().public_bytes_raw()))
        self.peer = peer_id(self.public)

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(data)


def peer_id(public: bytes) -> bytes:
    """The peer id of a PublicKey."""
    if len(public) <= MOST_INLINE:
        return IDENTITY + bytes([len(public)]) + public
    return SHA2_256 + sha256(public).digest()


def id_text(peer: bytes) -> str:
    """As people write it: "12D3KooW…", "Qm…"."""
    return base58.encode(peer)


def read_id(text: str) -> bytes:
    """The peer id of a text. Raises ValueError."""
    peer = base58.decode(text)
    if not is_id(peer):
        raise ValueError("not a peer id")
    return peer


def is_id(peer: bytes) -> bool:
    """Has it the form of a peer id?"""
    if peer.startswith(SHA2_256):
        return len(peer) == 34
    return 2 < len(peer) <= LONGEST_ID and peer.startswith(IDENTITY) and peer[1] == len(peer) - 2


def inline_key(peer: bytes) -> bytes | None:
    """The PublicKey inside of a peer id, where it is short enough to be in it."""
    return peer[2:] if peer.startswith(IDENTITY) else None


def verify(public: bytes, signature: bytes, data: bytes) -> None:
    """Raises Malformed unless the holder of `public` signed `data`."""
    try:
        kind, key = _parts(public)
        if kind == ED25519:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
        elif kind == SECP256K1:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), key)
            point.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        else:
            _verify_by_der(kind, key, signature, data)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise Malformed("signature") from error


def _parts(public: bytes) -> tuple[int, bytes]:
    fields = protobuf.read(public[: LONGEST_KEY + 1])
    kind, key = protobuf.integer(fields, 1), protobuf.octets(fields, 2, LONGEST_KEY)
    if kind is None or key is None or kind > ECDSA:
        raise Malformed("signature")
    return kind, key


def _verify_by_der(kind: int, key: bytes, signature: bytes, data: bytes) -> None:
    loaded = load_der_public_key(key)
    if kind == RSA and isinstance(loaded, rsa.RSAPublicKey):
        if loaded.key_size not in RSA_BITS or loaded.public_numbers().e > MOST_EXPONENT:
            raise Malformed("signature")
        loaded.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    elif kind == ECDSA and isinstance(loaded, ec.EllipticCurvePublicKey):
        loaded.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    else:
        raise Malformed("signature")

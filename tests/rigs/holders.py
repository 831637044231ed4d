"""Peers that have keys, as browsers have them."""

from __future__ import annotations

import base64
from abc import abstractmethod

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Holder:
    """Signs as docs/signalling.md has it."""

    key: str

    def signed(self, host: str, peer: str, nonce: str) -> str:
        return base64.b64encode(self._sign(f"appliance-signalling-register-1\n{host}\n{peer}\n{nonce}".encode())).decode()

    @abstractmethod
    def _sign(self, said: bytes) -> bytes: ...


class Ed25519Holder(Holder):
    def __init__(self) -> None:
        self._secret = ed25519.Ed25519PrivateKey.generate()
        public = self._secret.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key = base64.b64encode(public).decode()

    def _sign(self, said: bytes) -> bytes:
        return self._secret.sign(said)


class EcdsaHolder(Holder):
    def __init__(self) -> None:
        self._secret = ec.generate_private_key(ec.SECP256R1())
        public = self._secret.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key = base64.b64encode(public).decode()

    def _sign(self, said: bytes) -> bytes:
        r, s = decode_dss_signature(self._secret.sign(said, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

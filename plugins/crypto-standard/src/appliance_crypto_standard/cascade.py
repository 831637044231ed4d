"""The suite `hse`: AES-256-GCM inside ChaCha20-Poly1305 under independent keys, both tags kept.

    key = 32 bytes for ChaCha20-Poly1305 | 32 bytes for AES-256-GCM
    sealed = ChaCha20-Poly1305(AES-256-GCM(plaintext) | its tag) | its tag

Whoever breaks one of the ciphers still faces the other. Costs about twice the time of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

if TYPE_CHECKING:
    from appliance.api.values import Octets

TAG = 16


class Cascade:
    """An `Aead` of `appliance.api.crypto`, with a key of 64 bytes and tags of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._outer = ChaCha20Poly1305(key[:32])
        self._inner = AESGCM(key[32:])
        self._scratch = memoryview(bytearray(65536))

    def encrypt_into(self, nonce: Octets, data: Octets, associated_data: Octets, buf: Octets, /) -> int:
        """Seal `data` into `buf`, which is 32 bytes longer. Both may begin at the same place in memory."""
        out = memoryview(buf)
        inner = out[:-TAG]
        self._inner.encrypt_into(nonce, data, associated_data, inner)
        return self._outer.encrypt_into(nonce, inner, associated_data, out)

    def decrypt_into(self, nonce: Octets, data: Octets, associated_data: Octets, buf: Octets, /) -> int:
        """Open `data` into `buf`, which is 32 bytes shorter. Raises cryptography's InvalidTag if one of the tags is wrong."""
        inner = self._scratch[: memoryview(data).nbytes - TAG]
        self._outer.decrypt_into(nonce, data, associated_data, inner)
        return self._inner.decrypt_into(nonce, inner, associated_data, buf)

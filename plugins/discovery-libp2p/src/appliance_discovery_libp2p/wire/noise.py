"""Noise_XX_25519_ChaChaPoly_SHA256 (Noise Protocol Framework, revision 34, sections 5 and 7.5), on primitives of `cryptography`.

    -> e                     begun by the caller
    <- e, ee, s, es
    -> s, se

Names are the specification's: ck is the chaining key, h the transcript's hash, s a static and e an ephemeral key.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from appliance_discovery_libp2p.wire.malformed import Malformed

NAME: Final = b"Noise_XX_25519_ChaChaPoly_SHA256"
KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
LONGEST_MESSAGE: Final = 65535
MOST_MESSAGES: Final = 2**64 - 1
"""Of one key; the last nonce is reserved."""
E, S = "e", "s"
TOKENS: Final = ((E,), (E, "ee", S, "es"), (S, "se"))


class Cipher:
    """One direction: a key and the number of messages under it."""

    def __init__(self, key: bytes) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._count = 0

    def encrypt(self, associated: bytes, plain: bytes) -> bytes:
        """With the tag behind it."""
        return self._aead.encrypt(self._nonce(), plain, associated)

    def decrypt(self, associated: bytes, sealed: bytes) -> bytes:
        """Raises Malformed; the connection is of no use then."""
        try:
            return self._aead.decrypt(self._nonce(), sealed, associated)
        except (InvalidTag, ValueError) as error:
            raise Malformed("noise") from error

    def _nonce(self) -> bytes:
        if self._count >= MOST_MESSAGES:
            raise Malformed("noise")
        nonce = bytes(4) + self._count.to_bytes(8, "little")
        self._count += 1
        return nonce


class Finished(NamedTuple):
    """What is left of a handshake."""

    sends: Cipher
    receives: Cipher
    transcript: bytes
    """The handshake hash h."""


class Handshake:
    """One side of it. `write` and `read` take turns, until `finished` is not None.

    `static` and `ephemeral` are 32 random bytes each; the second must never be used again.
    """

    def __init__(self, *, initiator: bool, static: bytes, ephemeral: bytes, prologue: bytes = b"") -> None:
        self.finished: Finished | None = None
        self._initiator = initiator
        self._s, self._e = X25519PrivateKey.from_private_bytes(static), X25519PrivateKey.from_private_bytes(ephemeral)
        self._rs = self._re = b""
        self._h = self._ck = NAME
        self._k: Cipher | None = None
        self._step = 0
        self._mix_hash(prologue)

    def write(self, payload: bytes) -> bytes:
        """This side's next message."""
        written = b""
        for token in TOKENS[self._step]:
            if token == E:
                public = self._e.public_key().public_bytes_raw()
                self._mix_hash(public)
                written += public
            elif token == S:
                written += self._encrypt(self._s.public_key().public_bytes_raw())
            else:
                self._mix_exchange(token)
        written += self._encrypt(payload)
        self._next_step()
        return written

    def read(self, message: bytes) -> bytes:
        """The payload of the other side's next message. Raises Malformed."""
        rest = message
        for token in TOKENS[self._step]:
            if token == E:
                self._re, rest = _split(rest, KEY_BYTES)
                self._mix_hash(self._re)
            elif token == S:
                sealed, rest = _split(rest, KEY_BYTES + (TAG_BYTES if self._k else 0))
                self._rs = self._decrypt(sealed)
            else:
                self._mix_exchange(token)
        payload = self._decrypt(rest)
        self._next_step()
        return payload

    @property
    def remote_static(self) -> bytes:
        """The other side's static key, as far as it is known."""
        return self._rs

    @property
    def own_static(self) -> bytes:
        """The public half of this side's."""
        return self._s.public_key().public_bytes_raw()

    def _mix_exchange(self, token: str) -> None:
        """DH between the initiator's key of the first letter, and the responder's of the second."""
        mine, other = (token[0], token[1]) if self._initiator else (token[1], token[0])
        private, public = self._e if mine == E else self._s, self._re if other == E else self._rs
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:  # a point of small order
            raise Malformed("noise") from error
        self._ck, key = _expand(self._ck, shared)
        self._k = Cipher(key)

    def _next_step(self) -> None:
        self._step += 1
        if self._step == len(TOKENS):
            first, second = map(Cipher, _expand(self._ck, b""))
            sends, receives = (first, second) if self._initiator else (second, first)
            self.finished = Finished(sends, receives, self._h)

    def _mix_hash(self, data: bytes) -> None:
        self._h = sha256(self._h + data).digest()

    def _encrypt(self, plain: bytes) -> bytes:
        sealed = self._k.encrypt(self._h, plain) if self._k else plain
        self._mix_hash(sealed)
        return sealed

    def _decrypt(self, sealed: bytes) -> bytes:
        plain = self._k.decrypt(self._h, sealed) if self._k else sealed
        self._mix_hash(sealed)
        return plain


def _expand(chaining: bytes, material: bytes) -> tuple[bytes, bytes]:
    """HKDF of two outputs (section 4.3)."""
    key = hmac.digest(chaining, material, "sha256")
    first = hmac.digest(key, b"\x01", "sha256")
    return first, hmac.digest(key, first + b"\x02", "sha256")


def _split(data: bytes, size: int) -> tuple[bytes, bytes]:
    if len(data) < size:
        raise Malformed("noise")
    return data[:size], data[size:]

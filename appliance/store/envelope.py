"""A sealed value: which cipher, under which key, and for which place.

     0        1             5                21          33
    +--------+-------------+----------------+-----------+--------------------------+
    | cipher | key number  | salt           | nonce     | ciphertext, its tag(s)   |
    |        | (big endian)|                |           |                          |
    +--------+-------------+----------------+-----------+--------------------------+

Each value has a key of its own, by HKDF-SHA512 (RFC 5869) from the data key, the salt and the cipher. So no nonce meets the same
key twice unless 224 random bits do, and one data key may seal any number of values. Besides the value, the first five bytes are
authenticated, and where it lies: a value that was copied to another key or log does not open there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
"""Of a data key, and of a key that wraps one."""
_HEAD: Final = struct.Struct(">BI")
_SALT: Final = 16
_NONCE: Final = 12  # RFC 5116, 5.3 and RFC 8439, 2.8
_BODY: Final = _HEAD.size + _SALT + _NONCE

Entropy = Callable[[int], bytes]


class Unsealable(Exception):
    """It was sealed under another key or for another place, or it was changed."""


class Place(NamedTuple):
    """Where a value lies."""

    kind: bytes
    """One byte: a record's, an entry's, or a key's."""
    name: str
    """Of the space, or the log."""
    key: str

    def octets(self) -> bytes:
        """Different for different places."""
        name = self.name.encode()
        return self.kind + len(name).to_bytes(4) + name + self.key.encode()


class Aead(Protocol):
    """As cryptography's."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Seal."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Open. Raises InvalidTag."""


class Cipher(NamedTuple):
    """One way to seal."""

    number: int
    key_bytes: int
    made: Callable[[bytes], Aead]


class Hse:
    """AES-256-GCM inside ChaCha20-Poly1305 under independent keys, as the record protection suite `hse` does it.

    Whoever breaks one of them still faces the other.
    """

    def __init__(self, key: bytes) -> None:
        self._outer = ChaCha20Poly1305(key[:32])
        self._inner = AESGCM(key[32:])

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Seal; 32 bytes longer."""
        return self._outer.encrypt(nonce, self._inner.encrypt(nonce, data, associated_data), associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Open. Raises InvalidTag."""
        return self._inner.decrypt(nonce, self._outer.decrypt(nonce, data, associated_data), associated_data)


CIPHERS: Final = {
    "aes-256-gcm": Cipher(1, 32, AESGCM),
    "chacha20-poly1305": Cipher(2, 32, ChaCha20Poly1305),
    "hse": Cipher(3, 64, Hse),
}
_BY_NUMBER: Final = {cipher.number: cipher for cipher in CIPHERS.values()}


def seal(value: bytes, cipher: Cipher, number: int, data_key: bytes, place: Place, entropy: Entropy) -> bytes:
    """The envelope of a value, at most 65 bytes longer. `number` is that of the data key."""
    head = _HEAD.pack(cipher.number, number)
    salt, nonce = entropy(_SALT), entropy(_NONCE)
    return b"".join((head, salt, nonce, _aead(cipher, data_key, salt).encrypt(nonce, value, head + place.octets())))


def key_number(sealed: bytes) -> int:
    """Under which data key a value was sealed. Raises Unsealable."""
    if len(sealed) < _BODY or sealed[0] not in _BY_NUMBER:
        raise Unsealable
    number: int = _HEAD.unpack_from(sealed)[1]
    return number


def unseal(sealed: bytes, data_key: bytes, place: Place) -> bytes:
    """The value of an envelope. Raises Unsealable."""
    key_number(sealed)
    salt, nonce = sealed[_HEAD.size : _HEAD.size + _SALT], sealed[_HEAD.size + _SALT : _BODY]
    try:
        aead = _aead(_BY_NUMBER[sealed[0]], data_key, salt)
        return aead.decrypt(nonce, sealed[_BODY:], sealed[: _HEAD.size] + place.octets())
    except InvalidTag:
        raise Unsealable from None


def _aead(cipher: Cipher, data_key: bytes, salt: bytes) -> Aead:
    info = b"appliance store value" + bytes([cipher.number])
    return cipher.made(HKDF(SHA512(), cipher.key_bytes, salt, info).derive(data_key))

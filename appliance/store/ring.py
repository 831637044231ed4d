"""The data keys of a sealed store, as the store itself keeps them: each wrapped by one key-encryption key.

A JSON document, in a space that callers do not reach. So a copy of the store has its keys with it, and a change of the keys is a
commit like any other.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.api.stores import StoreBroken
from appliance.errors import ApplianceError
from appliance.store.envelope import CIPHERS, KEY_BYTES, Entropy, Place, Unsealable, seal, unseal

SPACE: Final = ".keys"
KEY: Final = "ring"
_FORM: Final = 1
_ID_BYTES: Final = 8
_WRAPPED_BY: Final = "aes-256-gcm"
_HINT: Final = "appliance store restore FILE, with a backup"


class StoreSealed(ApplianceError):
    """The key that opens the store is not there, or it is another one. The hint says what to do."""


class Wrapping(NamedTuple):
    """Which key-encryption key it is, without the key."""

    kind: str
    """ "file", "credential" or "passphrase"."""
    id: str
    """In hexadecimal. Another key has another one, and nothing follows from it."""
    place: str = ""
    """The file's path, relative to the store's folder if the appliance made it; the credential's name."""
    salt: str = ""
    """Of a passphrase, in Base64, as the three that follow: what Argon2id (RFC 9106) was given."""
    passes: int = 0
    lanes: int = 0
    memory_kib: int = 0


class WrappingKey:
    """A key-encryption key. Not a tuple: nothing prints it by mistake."""

    def __init__(self, secret: bytes, wrapping: Wrapping) -> None:
        """`secret` is a file's content, or what Argon2id made of a passphrase; `wrapping` needs no id yet."""
        octets = HKDF(SHA512(), KEY_BYTES + _ID_BYTES, None, b"appliance store key-encryption key").derive(secret)
        self.key = octets[:KEY_BYTES]
        self.wrapping = wrapping._replace(id=octets[KEY_BYTES:].hex())


class DataKey:
    """A key of values."""

    def __init__(self, number: int, cipher: str, key: bytes, made: int) -> None:
        self.number = number
        """From 1 on; what is sealed now is sealed under the largest."""
        self.cipher = cipher
        self.key = key
        self.made = made
        """Unix seconds."""


class Ring:
    """Data keys, unwrapped. Never changes."""

    def __init__(self, wrapped_by: WrappingKey, keys: Mapping[int, DataKey]) -> None:
        self.wrapped_by = wrapped_by
        self.keys = keys
        self.current = keys[max(keys)]

    @classmethod
    def new(cls, wrapped_by: WrappingKey, cipher: str, entropy: Entropy, now: float) -> Self:
        """A ring with one data key."""
        return cls(wrapped_by, {1: DataKey(1, cipher, entropy(KEY_BYTES), int(now))})

    def with_new_key(self, cipher: str | None, entropy: Entropy, now: float) -> Ring:
        """One data key more, which is the current one. `cipher`: None for the same as before."""
        number = self.current.number + 1
        key = DataKey(number, cipher or self.current.cipher, entropy(KEY_BYTES), int(now))
        return Ring(self.wrapped_by, {**self.keys, number: key})

    def from_number(self, number: int) -> Ring:
        """Without the data keys before that one."""
        return Ring(self.wrapped_by, {each: key for each, key in self.keys.items() if each >= number})

    def wrapped(self, wrapped_by: WrappingKey) -> Ring:
        """The same data keys, wrapped by another key."""
        return Ring(wrapped_by, self.keys)

    def document(self, entropy: Entropy) -> bytes:
        """What the store keeps."""
        keys = [
            {"number": each.number, "cipher": each.cipher, "made": each.made, "wrapped": _text(self._wrap(each, entropy))}
            for each in self.keys.values()
        ]
        return json.dumps({"form": _FORM, "wrapping": self.wrapped_by.wrapping._asdict(), "keys": keys}).encode()

    def _wrap(self, key: DataKey, entropy: Entropy) -> bytes:
        return seal(key.key, CIPHERS[_WRAPPED_BY], key.number, self.wrapped_by.key, _place(key.number, key.cipher), entropy)


def wrapping_of(document: bytes) -> Wrapping:
    """Which key-encryption key opens a ring. Raises StoreBroken."""
    try:
        found = Wrapping(**_fields(document)["wrapping"])
    except TypeError as error:
        raise _not_a_ring() from error
    if any(type(given) is not type(default) for given, default in zip(found, Wrapping("", ""), strict=True)):
        raise _not_a_ring()
    return found


def opened(document: bytes, key: WrappingKey) -> Ring:
    """The ring of a document. Raises StoreSealed if it is another key's, StoreBroken."""
    wrapping = wrapping_of(document)
    if key.wrapping.id != wrapping.id:
        raise StoreSealed(f"that is not the key of the store: it wants the one with the id {wrapping.id}", hint=_where(wrapping))
    try:
        keys = {each["number"]: _unwrapped(each, key) for each in _fields(document)["keys"]}
        return Ring(key, dict(sorted(keys.items())))
    except (KeyError, TypeError, ValueError, Unsealable) as error:
        raise _not_a_ring() from error


def _unwrapped(fields: Mapping[str, Any], key: WrappingKey) -> DataKey:
    number, cipher = int(fields["number"]), str(fields["cipher"])
    CIPHERS[cipher]
    octets = unseal(b64decode(fields["wrapped"]), key.key, _place(number, cipher))
    return DataKey(number, cipher, octets, int(fields["made"]))


def _place(number: int, cipher: str) -> Place:
    return Place(b"K", cipher, str(number))


def _fields(document: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(document)
    except ValueError as error:
        raise _not_a_ring() from error
    if not isinstance(fields, dict) or fields.keys() != {"form", "wrapping", "keys"}:
        raise _not_a_ring()
    if fields["form"] != _FORM:
        raise StoreBroken(
            f"the keys of the store have the form {fields['form']!r}, which is unknown", hint="install the newer version"
        )
    return fields


def _not_a_ring() -> StoreBroken:
    return StoreBroken("the keys of the store are damaged", hint=_HINT)


def _where(wrapping: Wrapping) -> str:
    match wrapping.kind:
        case "file":
            return f"it was in the file {wrapping.place}"
        case "credential":
            return f"it was the credential {wrapping.place} of systemd"
        case _:
            return "look for the passphrase that was in use then"


def _text(octets: bytes) -> str:
    return b64encode(octets).decode()

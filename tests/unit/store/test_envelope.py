"""Envelopes: of what bytes they are, and that they open only with their key, at their place."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.api.stores import SEALING
from appliance.store.envelope import CIPHERS, Hse, Place, Unsealable, key_number, seal, unseal
from appliance_crypto_standard.cascade import Cascade

KEY = bytes(range(32))
PLACE = Place(b"R", "users", "alice")


def counting(count: int) -> bytes:
    """Randomness that a test can foresee."""
    return bytes(range(count))


@pytest.mark.parametrize("name", CIPHERS)
@pytest.mark.parametrize("value", [b"", b"value", bytes(100_000)], ids=len)
def test_a_value_goes_round(name: str, value: bytes) -> None:
    sealed = seal(value, CIPHERS[name], 7, KEY, PLACE, counting)
    assert unseal(sealed, KEY, PLACE) == value
    assert key_number(sealed) == 7
    assert len(sealed) - len(value) <= SEALING


@pytest.mark.parametrize(("name", "aead"), [("aes-256-gcm", AESGCM), ("chacha20-poly1305", ChaCha20Poly1305)])
def test_the_bytes_are_those_of_the_picture(name: str, aead: type[AESGCM | ChaCha20Poly1305]) -> None:
    sealed = seal(b"value", CIPHERS[name], 7, KEY, PLACE, counting)
    head = bytes([CIPHERS[name].number]) + (7).to_bytes(4)
    assert sealed[:33] == head + counting(16) + counting(12)
    key = HKDF(SHA512(), 32, counting(16), b"appliance store value" + head[:1]).derive(KEY)
    place = b"R" + (5).to_bytes(4) + b"users" + b"alice"
    assert aead(key).decrypt(counting(12), sealed[33:], head + place) == b"value"


def test_hse_is_the_cipher_of_records() -> None:
    key, nonce = bytes(range(64)), bytes(12)
    room = bytearray(5 + 32)
    Cascade(key).encrypt_into(nonce, b"value", b"header", memoryview(room))
    assert Hse(key).encrypt(nonce, b"value", b"header") == bytes(room)
    assert Hse(key).decrypt(nonce, bytes(room), b"header") == b"value"


def test_the_two_ciphers_of_hse_have_keys_of_their_own() -> None:
    sealed = seal(b"value", CIPHERS["hse"], 1, KEY, PLACE, counting)
    keys = HKDF(SHA512(), 64, counting(16), b"appliance store value\x03").derive(KEY)
    assert keys[:32] != keys[32:]
    data = sealed[:5] + PLACE.octets()
    inner = ChaCha20Poly1305(keys[:32]).decrypt(counting(12), sealed[33:], data)
    assert AESGCM(keys[32:]).decrypt(counting(12), inner, data) == b"value"


def test_places_that_read_alike_are_different() -> None:
    places = [
        Place(kind, name, key)
        for kind in (b"R", b"L", b"K")
        for name, key in (("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"))
    ]
    for one, other in itertools.permutations(places, 2):
        assert one.octets() != other.octets()
        with pytest.raises(Unsealable):
            unseal(seal(b"value", CIPHERS["hse"], 1, KEY, one, counting), KEY, other)


@pytest.mark.parametrize(
    "sealed", [b"", b"\0" * 100, b"\4" + bytes(100), b"\1" + bytes(31), b"\1" + bytes(32), b"\3" + bytes(40)]
)
def test_what_is_no_envelope_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unsealable):
        unseal(sealed, KEY, PLACE)


def test_another_cipher_or_key_number_is_not_believed() -> None:
    sealed = seal(b"value", CIPHERS["aes-256-gcm"], 1, KEY, PLACE, counting)
    for changed in (b"\2" + sealed[1:], sealed[:4] + b"\2" + sealed[5:]):
        with pytest.raises(Unsealable):
            unseal(changed, KEY, PLACE)

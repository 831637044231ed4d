"""The suites by their published definitions: the cascade against the two ciphers it is made of."""

from __future__ import annotations

import importlib

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from appliance.api.crypto import CryptoSuite
from appliance_crypto_standard.cascade import Cascade
from appliance_crypto_standard.plugin import NULL, appliance_crypto_suites

KEY = bytes(range(64))
NONCE = bytes(12)
AAD = b"header"


def factory(suite: CryptoSuite) -> type:
    module, _, name = suite.aead.partition(":")
    return getattr(importlib.import_module(module), name)


def test_names_and_numbers_are_those_of_the_protocol() -> None:
    assert {suite.name: suite.wire_id for suite in appliance_crypto_suites()} == {
        "aes-256-gcm": 1,
        "chacha20-poly1305": 2,
        "hse": 3,
        "null": 0x7FFF,
    }


def test_only_null_is_for_the_lab() -> None:
    assert [suite.name for suite in appliance_crypto_suites() if suite.lab_only] == ["null"]


@pytest.mark.parametrize("size", [0, 1, 1376, 63000])
def test_the_cascade_is_aes_inside_chacha(size: int) -> None:
    plain = bytes(size)
    sealed = bytearray(size + 32)
    assert Cascade(KEY).encrypt_into(NONCE, plain, AAD, sealed) == size + 32
    inner = AESGCM(KEY[32:]).encrypt(NONCE, plain, AAD)
    assert bytes(sealed) == ChaCha20Poly1305(KEY[:32]).encrypt(NONCE, inner, AAD)


@pytest.mark.parametrize("size", [0, 1, 1376, 63000])
def test_the_cascade_works_in_place(size: int) -> None:
    memory = memoryview(bytearray(size + 32))
    memory[:size] = bytes([7]) * size
    cascade = Cascade(KEY)
    cascade.encrypt_into(NONCE, memory[:size], AAD, memory)
    assert cascade.decrypt_into(NONCE, memory, AAD, memory[:size]) == size
    assert bytes(memory[:size]) == bytes([7]) * size


@pytest.mark.parametrize("half", [0, 1])
def test_both_keys_of_the_cascade_matter(half: int) -> None:
    sealed = bytearray(132)
    Cascade(KEY).encrypt_into(NONCE, bytes(100), AAD, sealed)
    wrong = bytearray(KEY)
    wrong[32 * half] ^= 1
    with pytest.raises(InvalidTag):
        Cascade(bytes(wrong)).decrypt_into(NONCE, sealed, AAD, bytearray(100))


def test_null_protects_nothing_and_costs_nothing() -> None:
    null = factory(NULL)(KEY[:32])
    out = bytearray(5)
    assert null.encrypt_into(NONCE, b"plain", AAD, out) == 5
    assert out == b"plain"

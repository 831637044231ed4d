from __future__ import annotations

import hmac

import pytest

from appliance.errors import LocalFault
from appliance.protocol.ratchet import Ratchet

CHAIN = bytes(range(64))


def expand(key: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand of one block (RFC 5869, section 2.3), written from the standard."""
    return hmac.digest(key, label + b"\x01", "sha512")[:length]


def test_keys_are_as_the_formula_says() -> None:
    chain, ratchet = CHAIN, Ratchet(CHAIN, 32)
    for epoch in range(5):
        assert ratchet.key(epoch) == expand(chain, b"llp1 key", 32)
        chain = expand(chain, b"llp1 ratchet", 64)


def test_looking_ahead_changes_nothing() -> None:
    ratchet = Ratchet(CHAIN, 64)
    ahead = ratchet.key(3)
    assert ratchet.key(0) == Ratchet(CHAIN, 64).key(0)
    assert ratchet.key(3) == ahead
    assert len(ahead) == 64


def test_what_is_forgotten_is_gone_and_the_rest_is_not() -> None:
    ratchet, whole = Ratchet(CHAIN, 32), Ratchet(CHAIN, 32)
    ratchet.forget(before=2)
    assert [ratchet.key(epoch) for epoch in (2, 3)] == [whole.key(epoch) for epoch in (2, 3)]
    with pytest.raises(LocalFault):
        ratchet.key(1)
    ratchet.wipe()
    with pytest.raises(LocalFault):
        ratchet.key(1000)
    assert bytes(ratchet._chain) == bytes(64)


def test_a_chain_of_another_length_is_a_bug() -> None:
    with pytest.raises(LocalFault):
        Ratchet(bytes(32), 32)

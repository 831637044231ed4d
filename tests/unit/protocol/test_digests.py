"""The digests of the protocol are the ones everybody else computes."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from appliance.protocol import digests

MESSAGES = [b"", b"abc", bytes(range(256)) * 5]


@pytest.mark.parametrize("message", MESSAGES)
def test_hashes_are_the_standard_librarys(message: bytes) -> None:
    assert digests.sha256(message) == hashlib.sha256(message).digest()
    assert digests.sha512(message) == hashlib.sha512(message).digest()


@pytest.mark.parametrize("key", [b"k", bytes(32), bytes(range(200))])
@pytest.mark.parametrize("message", MESSAGES)
def test_codes_are_the_standard_librarys(key: bytes, message: bytes) -> None:
    assert digests.hmac_sha256(key, message) == hmac.digest(key, message, "sha256")
    assert digests.hmac_sha512(key, message) == hmac.digest(key, message, "sha512")


def test_bytes_are_compared_whole() -> None:
    assert digests.bytes_eq(b"same", b"same")
    assert not digests.bytes_eq(b"same", b"sama")
    assert not digests.bytes_eq(b"same", b"same and more")

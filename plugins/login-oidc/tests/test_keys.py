"""Keys of a provider, each for what it was made for."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from appliance_login_oidc.keys import MOST_KEYS, keys_of

ED: dict[str, Any] = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True)
RSA: dict[str, Any] = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)
EC: dict[str, Any] = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)


@pytest.mark.parametrize(
    ("jwk", "algorithms"),
    [
        (ED, ("EdDSA",)),
        (EC, ("ES256",)),
        (RSA, ("RS256", "PS256")),
        ({**RSA, "alg": "PS256"}, ("PS256",)),
        ({**RSA, "use": "sig", "kid": "1"}, ("RS256", "PS256")),
    ],
)
def test_a_key_is_for_the_algorithms_of_its_kind(jwk: dict[str, Any], algorithms: tuple[str, ...]) -> None:
    (key,) = keys_of({"keys": [jwk]})
    assert (key.algorithms, key.kid) == (algorithms, jwk.get("kid", ""))


@pytest.mark.parametrize(
    "jwk",
    [
        {**RSA, "alg": "HS256"},
        {**ED, "use": "enc"},
        {**ED, "d": "AAAA"},
        {**ED, "kid": 7},
        {**ED, "crv": "X25519"},
        {**ED, "x": "AAAA"},
        {**EC, "crv": "P-384"},
        {**EC, "y": EC["x"]},
        {**RSA, "n": "A" * 2000},
        {**RSA, "e": 65537},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA"},
        RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True),
        "key",
        None,
    ],
)
def test_other_keys_are_left_out(jwk: Any) -> None:
    assert keys_of({"keys": [jwk, ED]}) == keys_of({"keys": [ED]})


def test_so_many_are_looked_at() -> None:
    assert len(keys_of({"keys": [ED] * 1000})) == MOST_KEYS


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "use", "alg", "kid"]),
        _JSON | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB"]),
    )
)
def test_whatever_comes_nothing_is_raised(jwk: dict[str, Any]) -> None:
    keys_of({"keys": [jwk, {**RSA, **jwk}, {**EC, **jwk}, {**ED, **jwk}]})
    keys_of(jwk)

"""Signed texts: the reader says how they are signed, and each has one form. See also `tests/vectors/test_wycheproof_jws.py`."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa

from appliance.management.iam import jws
from appliance.management.iam.jws import ALGORITHMS, NotSigned

KEYS: dict[str, Any] = {
    "EdDSA": Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
    "ES256": generate_ec(SECP256R1()),
    "RS256": generate_rsa(65537, 2048),
}
KEYS["PS256"] = KEYS["RS256"]


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def refused(text: str, key: Any, algorithm: str) -> bool:
    with pytest.raises(NotSigned):
        jws.verified(text, key, algorithm)
    return True


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_signs_and_verifies_for_itself_only(algorithm: str) -> None:
    key = KEYS[algorithm]
    text = jws.signed({"kid": "one"}, b"foo", key, algorithm)
    assert jws.verified(text, key.public_key(), algorithm) == b"foo"
    assert jws.header_of(text)["kid"] == "one"
    for other in (*ALGORITHMS, "HS256", "none", ""):
        if other != algorithm:
            assert refused(text, key.public_key(), other)
            assert refused(text, KEYS.get(other, key).public_key(), other)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_wycheproof_does_to_a_text_is_refused(algorithm: str) -> None:
    """The manipulations of its file for JSON Web Signature, on texts of our own."""
    key = KEYS[algorithm]
    text = jws.signed({"kid": "one"}, b"foo", key, algorithm)
    header, payload, signature = text.split(".")
    other = header[:-4] + ("AAAA" if header[-4:] != "AAAA" else "BBBB")
    none = base64url(json.dumps({"alg": "none", "kid": "one"}).encode())
    for changed in (
        f"{header}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.WG9v.{signature}",
        f"{header}..{signature}",
        f"{header}.{signature}",
        f"{other}.{payload}.{signature}",
        f".{payload}.{signature}",
        f"{payload}.{signature}",
        f".{payload}.",
        payload,
        "",
        f"{text}.",
        f"{text}.foo",
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}),
        f"{header}.{payload}.{signature}=",
        f"{header}?.{payload}.{signature}",
        f"{header}.{payload}?.{signature}",
        f"{header}.{payload}. {signature}",
    ):
        assert refused(changed, key.public_key(), algorithm), changed


def test_a_key_that_the_text_brings_is_not_looked_at() -> None:
    theirs = Ed25519PrivateKey.from_private_bytes(bytes(32))
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(theirs.public_key()))
    assert refused(jws.signed({"jwk": jwk}, b"foo", theirs, "EdDSA"), KEYS["EdDSA"].public_key(), "EdDSA")


def test_what_is_too_long_is_refused_unread() -> None:
    text = jws.signed({}, bytes(jws.MOST_CHARACTERS), KEYS["EdDSA"], "EdDSA")
    assert refused(text, KEYS["EdDSA"].public_key(), "EdDSA")

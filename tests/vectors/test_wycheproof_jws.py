"""Wycheproof's 401 signed texts, judged by what reads our access tokens and by the reader of signed texts beneath it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.management.iam import jws, tokens
from appliance.management.iam.jws import NotSigned
from appliance.management.iam.signing_keys import Ring, rotated

VECTORS = (Path(__file__).parent / "wycheproof/json_web_signature_test.json").read_bytes()
SHA256 = "8e687a06fe8359f4ec51480f1a9f73c8faebd6f4c01b818b843b44eee54fd5d9"
NUMBER = 401
ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()

STRICTER = {372, 373}
"""Characters that are no base64url, which the vectors let pass."""
SAME_AS_A_VALID_ONE = {367, 370}
"""Called invalid, and letter for letter the valid one."""
ABOUT_KEYS = {346, 350, 353, 354, 355, 356}
"""The key's JWK says what it is for; we have keys, and no JWK."""


def vectors() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(JWK, vector)."""
    for group in json.loads(VECTORS)["testGroups"]:
        for test in group["tests"]:
            yield group.get("public", group["private"]), test


def test_they_are_the_published_ones() -> None:
    assert hashlib.sha256(VECTORS).hexdigest() == SHA256
    assert sum(1 for _ in vectors()) == NUMBER


def test_no_text_of_them_is_an_access_token() -> None:
    ring = Ring(rotated((), bytes(range(32)), 0))
    for _, test in vectors():
        with pytest.raises(tokens.TokenNotValid):
            tokens.read(test["jws"], tokens.Realm("", ""), ring, 0)


def test_what_is_valid_under_another_algorithm_is_refused_for_its_algorithm() -> None:
    """Access tokens are signed by Ed25519: the others, HMAC and RSA among them, are not even looked at with the key."""
    reasons: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for _, test in vectors():
        with pytest.raises(NotSigned) as refused:
            jws.verified(test["jws"], ED25519, tokens.ALGORITHM)
        reasons[test["result"] == "valid"][str(refused.value)] += 1
    assert reasons[True] == {"another algorithm": 44, "no base64url": len(STRICTER)}
    assert sum(reasons[False].values()) == NUMBER - reasons[True].total()
    assert "another signature" not in reasons[False]


def test_the_reader_agrees_with_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """With their algorithms let in, of which the appliance uses three at most."""
    every = [f"{kind}{bits}" for kind in ("RS", "PS", "ES", "HS") for bits in (256, 384, 512)]
    monkeypatch.setattr(jws, "ALGORITHMS", every)
    monkeypatch.setattr(jws, "_JWS", jwt.api_jws.PyJWS(algorithms=every))
    judged = {}
    for jwk, test in vectors():
        algorithm = {"ES521": "ES512"}.get(jwk.get("alg", ""), jwk.get("alg")) or ("RS256" if jwk["kty"] == "RSA" else "ES256")
        judged[test["tcId"]] = test["result"] == "valid", verifies(test["jws"], jwt.PyJWK(jwk, algorithm).key, algorithm)
    assert len(judged) == NUMBER
    assert {number for number, (wanted, said) in judged.items() if wanted != said} == STRICTER | SAME_AS_A_VALID_ONE | ABOUT_KEYS


def verifies(text: str, key: Any, algorithm: str) -> bool:
    try:
        jws.verified(text, key, algorithm)
    except NotSigned:
        return False
    return True

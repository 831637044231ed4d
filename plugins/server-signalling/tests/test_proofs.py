"""Who has a key can prove it, for one server and once."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance_server_signalling.proofs import P256, NoKey, is_proof, key_of
from tests.rigs.holders import EcdsaHolder, Ed25519Holder, Holder


def spki(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@pytest.mark.parametrize("holder", [Ed25519Holder(), EcdsaHolder()], ids=["ed25519", "p256"])
def test_the_holder_proves_it_and_nothing_else_is_a_proof(holder: Holder) -> None:
    key = key_of(holder.key)
    proof = holder.signed("host:3001", "alice", "nonce")
    assert is_proof(key, proof, "host:3001", "alice", "nonce")
    assert not is_proof(key, proof, "other:3001", "alice", "nonce"), "a server in between passes it on"
    assert not is_proof(key, proof, "host:3001", "bob", "nonce")
    assert not is_proof(key, proof, "host:3001", "alice", "another")
    assert not is_proof(key_of(type(holder)().key), proof, "host:3001", "alice", "nonce")
    assert not is_proof(key, base64.b64encode(bytes(64)).decode(), "host:3001", "alice", "nonce")
    assert not is_proof(key, base64.b64encode(b"\xff" * 64).decode(), "host:3001", "alice", "nonce")


@pytest.mark.parametrize(
    "text",
    [
        "AAAA",
        "====",
        "A" * 60 + "=",
        spki(ec.generate_private_key(ec.SECP384R1()).public_key()),
        spki(rsa.generate_private_key(65537, 2048).public_key()),
    ],
)
def test_other_keys_are_not_taken(text: str) -> None:
    with pytest.raises(NoKey):
        key_of(text)


def test_a_point_that_is_on_no_curve_proves_nothing() -> None:
    key = key_of(base64.b64encode(P256 + b"\x01" * 64).decode())
    assert not is_proof(key, EcdsaHolder().signed("h", "alice", "n"), "h", "alice", "n")

"""Peer ids as other implementations make them, and keys of all four kinds."""

from __future__ import annotations

from itertools import count
from math import gcd, lcm

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance_discovery_libp2p.wire import base58, keys, protobuf
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed

DER = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_the_peer_id_of_the_specifications_example() -> None:
    """libp2p specs, peer-ids/peer-ids.md: test vectors, Ed25519."""
    public = bytes.fromhex("080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e")
    assert keys.id_text(keys.peer_id(public)) == "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
    assert keys.inline_key(keys.peer_id(public)) == public


def test_an_id_comes_back_from_its_text() -> None:
    own = OwnKey(bytes(range(32)))
    assert keys.read_id(keys.id_text(own.peer)) == own.peer
    assert keys.read_id("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N").startswith(keys.SHA2_256)
    assert base58.encode(b"\0\0a") == "112g"
    for text in ("", "12D3KooW", "0OIl", "1" * 200):
        with pytest.raises(ValueError):
            keys.read_id(text)


def test_signatures_of_all_kinds_of_keys() -> None:
    data = b"what is signed"
    own = OwnKey(bytes(32))
    point, curve, rsa_key = ec.generate_private_key(ec.SECP256K1()), ec.generate_private_key(ec.SECP256R1()), _rsa()
    compressed = point.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    signed = {
        own.public: own.sign(data),
        protobuf.write((1, keys.SECP256K1), (2, compressed)): point.sign(data, ec.ECDSA(hashes.SHA256())),
        protobuf.write((1, keys.ECDSA), (2, curve.public_key().public_bytes(*DER))): curve.sign(data, ec.ECDSA(hashes.SHA256())),
        protobuf.write((1, keys.RSA), (2, rsa_key.public_key().public_bytes(*DER))): rsa_key.sign(
            data, padding.PKCS1v15(), hashes.SHA256()
        ),
    }
    for public, signature in signed.items():
        keys.verify(public, signature, data)
        assert keys.is_id(keys.peer_id(public))
        for wrong in ((public, signature, data + b"!"), (public, signature[:-1], data), (public[:-1], signature, data)):
            with pytest.raises(Malformed):
                keys.verify(*wrong)


def test_a_key_of_a_wrong_kind_or_size_is_refused() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*DER)
    for public in (
        b"",
        protobuf.write((1, 9), (2, bytes(32))),
        protobuf.write((1, keys.ED25519), (2, bytes(31))),
        protobuf.write((1, keys.RSA), (2, curve)),
        protobuf.write((1, keys.RSA), (2, small.public_key().public_bytes(*DER))),
        protobuf.write((1, keys.ECDSA), (2, b"none")),
    ):
        with pytest.raises(Malformed):
            keys.verify(public, bytes(64), b"data")


def test_an_rsa_key_that_takes_long_to_check_is_refused() -> None:
    """p and q of a true key, and an exponent as long as the modulus: the signature is right, and costs too much."""
    modulus = _rsa().private_numbers()
    p, q = modulus.p, modulus.q
    exponent = next(e for e in count(2**2000 + 1, 2) if gcd(e, (p - 1) * (q - 1)) == 1)
    d = pow(exponent, -1, lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    slow = rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key()
    signature = slow.sign(b"data", padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(Malformed):
        keys.verify(protobuf.write((1, keys.RSA), (2, slow.public_key().public_bytes(*DER))), signature, b"data")


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)

from __future__ import annotations

from base64 import b32decode
from hashlib import sha256

import pytest

from appliance.errors import PeerFault
from appliance.protocol.identity import (
    SIGNATURE_BYTES,
    Identity,
    IdentityInvalid,
    PublicIdentity,
)
from appliance.testing.pair import identity_of

A = identity_of("a")


def test_an_identity_file_survives() -> None:
    text = A.to_pem()
    assert text.count(b"BEGIN PRIVATE KEY") == 2
    assert Identity.from_pem(text).fingerprint == A.fingerprint
    first, second = text.split(b"-----END PRIVATE KEY-----\n")[:2]
    swapped = second + b"-----END PRIVATE KEY-----\n# a remark\n" + first + b"-----END PRIVATE KEY-----\n"
    assert Identity.from_pem(swapped).fingerprint == A.fingerprint


def test_a_fingerprint_spells_the_hash_of_both_keys() -> None:
    text = A.fingerprint.removeprefix("llp1:").upper()
    assert b32decode(text + "=" * (-len(text) % 8)) == sha256(b"LLP1 identity" + A.public.encoded).digest()


def test_an_identity_has_the_sizes_of_ml_dsa_87_beside_ed25519() -> None:
    assert len(Identity.generate().public.encoded) == 32 + 2592, "FIPS 204, table 2"
    assert len(A.sign(b"message")) == 64 + 4627
    assert Identity.generate().fingerprint != Identity.generate().fingerprint


def test_both_signatures_count() -> None:
    signature = A.sign(b"message")
    assert len(signature) == SIGNATURE_BYTES
    A.public.verify(signature, b"message")
    for at in (0, 63, 64, SIGNATURE_BYTES - 1):
        forged = bytearray(signature)
        forged[at] ^= 1
        with pytest.raises(PeerFault, match="bad-signature"):
            A.public.verify(bytes(forged), b"message")
    with pytest.raises(PeerFault, match="bad-signature"):
        A.public.verify(signature, b"another")
    with pytest.raises(PeerFault, match="bad-signature"):
        A.public.verify(signature[:-1], b"message")


def test_an_identity_of_another_length_is_none() -> None:
    with pytest.raises(PeerFault, match="bad-identity"):
        PublicIdentity(A.public.encoded[:-1])


def test_keys_that_are_no_points_verify_nothing() -> None:
    with pytest.raises(PeerFault, match="bad-signature"):
        PublicIdentity(b"\xff" * 2624).verify(bytes(SIGNATURE_BYTES), b"message")


ED25519, MLDSA = A.to_pem().split(b"-----END PRIVATE KEY-----\n")[:2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "this one 0"),
        (ED25519 + b"-----END PRIVATE KEY-----\n", "this one 1"),
        ((ED25519 + b"-----END PRIVATE KEY-----\n") * 2, "one Ed25519 and one ML-DSA-87"),
        (A.to_pem().replace(b"MC4C", b"AAAA"), "damaged"),
    ],
)
def test_other_text_is_refused_with_a_hint(text: bytes, says: str) -> None:
    with pytest.raises(IdentityInvalid, match=says) as refused:
        Identity.from_pem(text)
    assert "appliance keys new" in refused.value.hint


def test_secrets_do_not_show() -> None:
    assert repr(A) == f"Identity({A.fingerprint})"
    assert Identity.generate().fingerprint != A.fingerprint

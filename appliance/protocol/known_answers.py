"""Known answers: does the library of primitives compute what the standards say? Asked before a node is called fit for production.

Only what a key exchange and an identity stand on. The vectors are those of Wycheproof (`mlkem_1024_keygen_seed`, first;
`mldsa_87_sign_seed`, first) and test case 14 of the GCM specification; SHA-3 comes from another library (CPython's).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha3_256, sha256, shake_256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEM_SEED: Final = bytes.fromhex(
    "7c9935a0b07694aa0c6d10e4db6b1add2fd81a25ccb148032dcd739936737f2d8626ed79d451140800e03b59b956f8210e556067407d13dc90fa9e8b872bfb8f"
)
"""d and z of FIPS 203, algorithm 16."""
KEM_KEY_SHA3: Final = bytes.fromhex("ebbe41cd4dea489dedd00e76ae0bcf54aa8550202920eb64d5892ad02b13f2e5")
"""H(ek), which FIPS 203 keeps in the secret key."""
KEM_KEY_BYTES: Final = 1568
"""Of an encapsulation key, and of a ciphertext (FIPS 203, table 3)."""
DSA_SEED: Final = b"*" * 32
DSA_KEY_SHA256: Final = bytes.fromhex("d43128fa8a8c785c1d44c9e7db538dbf9dd88fe6c8ad911a344bcec1017c6d54")
GCM_ANSWER: Final = bytes.fromhex("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919")


class WrongAnswer(Exception):
    """The library computed something else."""


def failures() -> dict[str, str]:
    """What does not compute what it should, by name, with what was wrong; empty if all is well. Takes 5 ms."""
    found = {}
    for name, answer in ANSWERS.items():
        try:
            answer()
        except Exception as error:  # noqa: BLE001  whatever a broken library raises
            found[name] = str(error) if isinstance(error, WrongAnswer) else type(error).__name__
    return found


def _kem() -> None:
    key = MLKEM1024PrivateKey.from_seed_bytes(KEM_SEED)
    public = key.public_key()
    encoded = public.public_bytes_raw()
    if len(encoded) != KEM_KEY_BYTES:
        raise WrongAnswer(f"a key has {len(encoded)} bytes")
    _same("the key of a seed", sha3_256(encoded).digest(), KEM_KEY_SHA3)
    shared, ciphertext = public.encapsulate()
    _same("decapsulation", key.decapsulate(ciphertext), shared)
    # A ciphertext that is none has a secret too, of z and itself (FIPS 203, algorithm 18, line 7).
    none = bytes(KEM_KEY_BYTES)
    _same("implicit rejection", key.decapsulate(none), shake_256(KEM_SEED[32:] + none).digest(32))


def _dsa() -> None:
    key = MLDSA87PrivateKey.from_seed_bytes(DSA_SEED)
    public = key.public_key()
    _same("the key of a seed", sha256(public.public_bytes_raw()).digest(), DSA_KEY_SHA256)
    signature = key.sign(b"known")
    public.verify(signature, b"known")
    try:
        public.verify(signature, b"other")
    except InvalidSignature:
        return
    raise WrongAnswer("a signature of something else was taken")


def _gcm() -> None:
    _same("GCM", AESGCM(bytes(32)).encrypt(bytes(12), bytes(16), None), GCM_ANSWER)


def _same(what: str, found: bytes, wanted: bytes) -> None:
    if found != wanted:
        raise WrongAnswer(f"{what} is not what it should be")


ANSWERS: Final[Mapping[str, Callable[[], None]]] = {"ML-KEM-1024": _kem, "ML-DSA-87": _dsa, "AES-256-GCM": _gcm}

"""A library that computes wrongly is found, whatever it gets wrong."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey

from appliance.protocol import known_answers


class Lies:
    """A primitive that answers as the real one, but for one thing."""

    def __init__(self, real: object, **lies: object) -> None:
        self._real = real
        self._lies = lies

    def __getattr__(self, name: str) -> object:
        return self._lies[name] if name in self._lies else getattr(self._real, name)


def test_the_library_computes_what_the_standards_say() -> None:
    assert known_answers.failures() == {}


@pytest.mark.parametrize("lie", ["another key", "another secret", "no rejection"])
def test_a_kem_that_errs_is_found(monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    def from_seed(seed: bytes) -> object:
        real = MLKEM1024PrivateKey.from_seed_bytes(seed if lie != "another key" else bytes(64))
        if lie == "another secret":
            return Lies(real, decapsulate=lambda _ciphertext: bytes(32))
        if lie == "no rejection":
            return Lies(real, decapsulate=lambda found: real.decapsulate(found) if any(found) else bytes(32))
        return real

    monkeypatch.setattr(known_answers, "MLKEM1024PrivateKey", Lies(MLKEM1024PrivateKey, from_seed_bytes=from_seed))
    assert [*known_answers.failures()] == ["ML-KEM-1024"]


def test_a_signature_scheme_that_takes_anything_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_seed(seed: bytes) -> object:
        real = MLDSA87PrivateKey.from_seed_bytes(seed)
        public = Lies(real.public_key(), verify=lambda _signature, _message: None)
        return Lies(real, public_key=lambda: public)

    monkeypatch.setattr(known_answers, "MLDSA87PrivateKey", Lies(MLDSA87PrivateKey, from_seed_bytes=from_seed))
    assert known_answers.failures() == {"ML-DSA-87": "a signature of something else was taken"}


def test_a_library_that_raises_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_answers, "AESGCM", None)
    assert known_answers.failures() == {"AES-256-GCM": "TypeError"}

"""The conformance suite every suite passes."""

from __future__ import annotations

from appliance.api.crypto import CryptoSuite
from appliance.testing.conformance.crypto import CryptoConformance
from appliance_crypto_standard.plugin import AES_256_GCM, CHACHA20_POLY1305, HSE, NULL


class TestAes256Gcm(CryptoConformance):
    def suite(self) -> CryptoSuite:
        return AES_256_GCM


class TestChaCha20Poly1305(CryptoConformance):
    def suite(self) -> CryptoSuite:
        return CHACHA20_POLY1305


class TestHse(CryptoConformance):
    def suite(self) -> CryptoSuite:
        return HSE


class TestNull(CryptoConformance):
    def suite(self) -> CryptoSuite:
        return NULL

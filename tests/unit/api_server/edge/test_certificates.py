"""The API server's own certificate, judged by OpenSSL as a client would."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.api_server.edge import certificates

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
NAMES = ["node1.example.net", "localhost", "192.0.2.1", "2001:db8::1"]


def test_it_is_for_its_names_and_vouches_for_nobody() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = certificates.made(key, NAMES, NOW)
    said = certificates.read(pem)
    assert said.names == set(NAMES)
    assert said.pin == certificates.pin_of_key(key)
    assert said.pin.startswith("sha256/")
    found = x509.load_pem_x509_certificate(pem)
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert found.not_valid_after_utc - found.not_valid_before_utc < dt.timedelta(days=398)
    assert found.not_valid_before_utc < NOW


def test_it_is_renewed_long_before_its_end() -> None:
    said = certificates.read(certificates.made(ec.generate_private_key(ec.SECP256R1()), NAMES, NOW))
    assert not said.is_due(NOW + dt.timedelta(days=250))
    assert said.is_due(NOW + dt.timedelta(days=300))
    assert said.until > NOW + dt.timedelta(days=390)

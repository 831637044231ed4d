"""Whose a certificate is that came as PEM."""

from __future__ import annotations

import hashlib
import ssl

from appliance.api_server.edge.client_certificates import user_of_pem
from tests.unit.api_server.edge.test_tls import pair


def test_it_is_known_by_its_fingerprint_or_else_by_its_common_name() -> None:
    pem = pair("alice.example.net", "other.example.net")[0]
    fingerprint = f"sha256:{hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()}"
    assert user_of_pem(pem.encode(), {"alice.example.net": "alice"}) == "alice"
    assert user_of_pem(pem.encode(), {"alice.example.net": "alice", fingerprint: "bob"}) == "bob"
    assert user_of_pem(pem.encode(), {"other.example.net": "carol"}) == ""

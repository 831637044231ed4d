"""Whose certificate is it that came with a TLS connection? The profile maps certificates to users."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID


def user_of(connection: ssl.SSLObject, users: Mapping[str, str]) -> str:
    """The user whose certificate the client proved to have; "" if it had none, or nobody's. `users`: by "sha256:" and the
    fingerprint in hexadecimal, or else by the common name, if the certificate has one."""
    der = connection.getpeercert(binary_form=True)
    if not der:
        return ""
    said: Any = connection.getpeercert()
    return _user(der, [value for part in said["subject"] for kind, value in part if kind == "commonName"], users)


def user_of_pem(pem: bytes, users: Mapping[str, str]) -> str:
    """The same of a certificate that was proved elsewhere."""
    found = x509.load_pem_x509_certificate(pem)
    names = [str(each.value) for each in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return _user(ssl.PEM_cert_to_DER_cert(pem.decode("ascii")), names, users)


def _user(der: bytes, names: list[str], users: Mapping[str, str]) -> str:
    fingerprint = f"sha256:{hashlib.sha256(der).hexdigest()}"
    if fingerprint in users:
        return users[fingerprint]
    return users.get(names[0], "") if len(names) == 1 else ""

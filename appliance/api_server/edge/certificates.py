"""Certificates that the API server makes for itself, and the pins of their keys. Pure: keys and the time come in.

They are signed by their own key: who talks to it pins the key (`pin_of`), as HTTP clients can (RFC 7469's form), or takes the
certificate as the only authority that he trusts.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE: Final = dt.timedelta(days=397)
"""A day less than the 398 that browsers take at most."""
RENEW_BEFORE: Final = dt.timedelta(days=132)
"""A third of it: so a clock that is months wrong makes no certificate that nobody takes."""
BACKDATED: Final = dt.timedelta(days=1)
"""For clients whose clock goes slow. Part of `LIFE`."""


class Certificate(NamedTuple):
    """What a certificate says, as far as the API server cares."""

    pin: str
    """Of its key: sha256/BASE64."""
    names: frozenset[str]
    """DNS names and addresses that it is for."""
    until: dt.datetime
    """UTC."""

    def is_due(self, now: dt.datetime) -> bool:
        """Is it time for another?"""
        return now > self.until - RENEW_BEFORE


def pin_of(public: bytes) -> str:
    """`public`: SubjectPublicKeyInfo, DER."""
    return "sha256/" + base64.b64encode(hashlib.sha256(public).digest()).decode()


def pin_of_key(key: EllipticCurvePrivateKey) -> str:
    """The pin that certificates for this key have."""
    return pin_of(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def made(key: EllipticCurvePrivateKey, names: Sequence[str], now: dt.datetime) -> bytes:
    """A certificate for these DNS names and addresses, as PEM. It is a leaf: it vouches for nothing else."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "appliance management")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now - BACKDATED + LIFE)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in dict.fromkeys(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def read(pem: bytes) -> Certificate:
    """The first certificate of a chain. Raises ValueError if there is none."""
    found = x509.load_pem_x509_certificate(pem)
    try:
        listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = {str(name.value) for name in listed}
    except x509.ExtensionNotFound:
        names = set()
    public = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Certificate(pin_of(public), frozenset(names), found.not_valid_after_utc)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)

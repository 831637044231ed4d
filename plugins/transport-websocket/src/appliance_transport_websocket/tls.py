"""TLS on both ends, and what its failures mean."""

from __future__ import annotations

import datetime as dt
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NEVER = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
"""When a certificate that a listener signs itself expires (RFC 5280, section 4.1.2.5): nobody checks it."""


def client_context(authorities: str | None, *, verify: bool) -> ssl.SSLContext:
    """For calling. Raises OSError if the file with the authorities is not one."""
    context = ssl.create_default_context(cafile=authorities)
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server_context(certificate: str | None, key: str | None) -> ssl.SSLContext:
    """For listening. Raises OSError if the files do not hold a certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if certificate is not None and key is not None:
        context.load_cert_chain(certificate, key)
        return context
    memory = os.memfd_create("certificate")  # load_cert_chain reads files only
    try:
        with Path(f"/proc/self/fd/{memory}").open("wb") as file:
            file.write(self_signed())
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
    return context


def self_signed() -> bytes:
    """A certificate for no name in particular, and its key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(NEVER)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    return built.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
    )


def in_words(error: Exception, shown: str) -> str:
    """Why TLS with the far end failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {shown} is not accepted ({error.verify_message}): name its authority in "
            "transports.wss.authorities, or set transports.wss.verify: false, since LLP inside proves who the peer is"
        )
    if isinstance(error, ssl.SSLError):
        return f"{shown} does not speak TLS as we do ({(error.reason or 'no reason').lower().replace('_', ' ')})"
    if isinstance(error, TimeoutError):
        return f"{shown} did not answer in time"
    if isinstance(error, ConnectionError):
        return f"{shown} closed the connection before it was a WebSocket"
    return f"{shown}: {error.strerror if isinstance(error, OSError) and error.strerror else error}"

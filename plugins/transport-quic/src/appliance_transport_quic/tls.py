"""What QUIC is configured with on both ends, certificates above all, and what their failures mean."""

from __future__ import annotations

import datetime as dt
import re
import ssl
from pathlib import Path
from typing import Any, Final

from qh3.quic.configuration import QuicConfiguration

from appliance_transport_quic.headers import ID_BYTES
from appliance_transport_quic.trains import UDP_PAYLOAD

NEVER: Final = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
"""When a certificate that a listener signs itself expires (RFC 5280, section 4.1.2.5): nobody checks it."""
ALPN: Final = "h3"
"""What browsers offer. A name of our own would tell every network that reads the first packet (ADR 47)."""
IDLE_SECONDS: Final = 120.0
"""Without a packet for so long a connection ends. LLP keeps its sessions alive more often."""
FRAME_BYTES: Final = 1500
"""The longest DATAGRAM frame that is taken."""
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
_KEY: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----\n?", re.DOTALL)
NO_APPLICATION_PROTOCOL: Final = 120
OF_CERTIFICATES: Final = frozenset({42, 43, 44, 45, 46, 48, 111, 113})
"""Alerts that say that a certificate is not accepted (RFC 8446, section 6)."""


def calling(authorities: str | None, *, verify: bool) -> dict[str, Any]:
    """For `QuicConfiguration`, but for the name of who is called. Raises OSError if the file with the authorities is not one."""
    context = ssl.create_default_context(cafile=authorities)  # reads and judges; the carrier may read no files later
    believed = "".join(map(ssl.DER_cert_to_PEM_cert, context.get_ca_certs(binary_form=True)))
    return {**_common(), "cadata": believed.encode(), "verify_mode": ssl.CERT_REQUIRED if verify else ssl.CERT_NONE}


def answering(certificate: str | None, key: str | None) -> QuicConfiguration:
    """For listening. Raises OSError if the files do not hold a certificate and its key."""
    if certificate is not None and key is not None:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)  # judges the files, and that they fit
        chain, secret = Path(certificate).read_bytes(), Path(key).read_bytes()
    else:
        chain = secret = self_signed()
    configuration = QuicConfiguration(is_client=False, **_common())
    found = _KEY.search(secret)
    try:
        configuration.load_cert_chain(b"".join(_CERTIFICATE.findall(chain)), found[0] if found is not None else b"")
    except Exception as error:
        raise OSError(f"QUIC cannot use this kind of certificate or key: {error}") from error
    return configuration


def _common() -> dict[str, Any]:
    return {
        "alpn_protocols": [ALPN],
        "connection_id_length": ID_BYTES,
        "idle_timeout": IDLE_SECONDS,
        "max_datagram_size": UDP_PAYLOAD,
        "probe_datagram_size": False,
        "max_datagram_frame_size": FRAME_BYTES,
        "initial_rtt": 0.1,  # so that a lost first packet is sent again after 0.3 s, as LLP does
        "max_data": 1 << 16,  # streams carry nothing here
        "max_stream_data": 1 << 14,
    }


def self_signed() -> bytes:
    """A certificate for no name in particular, and its key (PEM)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

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


def in_words(alert: int, said: str, shown: str) -> str:
    """Why there is no connection with `shown`."""
    if alert in OF_CERTIFICATES:
        return (
            f"the certificate of {shown} is not accepted ({said or 'for no reason that is told'}): name its authority in "
            "transports.quic.authorities, or set transports.quic.verify: false, since LLP inside proves who the peer is"
        )
    if alert == NO_APPLICATION_PROTOCOL:
        return f"{shown} speaks QUIC, but not with us"
    return f"{shown} closed the connection" + (f" ({said})" if said else "")

"""Proxies that stand before an API server and misbehave, each at a port of loopback."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.api_server.edge.certificates import pin_of_key

PATIENCE = 60.0
"""Seconds without a byte after which a connection is given up."""
EVENTS_UNTIL_CUT = 3
PROBLEM = {
    "type": "urn:appliance:problem:Busy", "title": "Service Unavailable", "status": 503, "code": "Busy", "detail": "not now",
    "hint": "wait", "retryable": True, "instance": "urn:request:1",
}  # fmt: skip
Handler = Callable[[socket.socket, int], None]
"""Gets a client's connection, and how many there were before."""


class Certificate(NamedTuple):
    """A certificate of its own authority."""

    file: Path
    """PEM."""
    key: Path
    """PEM."""
    pin: str


@contextmanager
def cutting(port: int) -> Iterator[int]:
    """Passes on what the server at `port` says until the third event of a connection has begun; then the connection is gone."""

    def handle(client: socket.socket, _number: int) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as server:
            _pass_on(client, server, cut=True)

    with _served(handle) as own:
        yield own


@contextmanager
def busy(port: int) -> Iterator[int]:
    """Only every third request gets through."""
    body = json.dumps(PROBLEM)
    head = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-type: application/problem+json\r\nconnection: close\r\n"

    def handle(client: socket.socket, number: int) -> None:
        if number % 3 < 2:
            _request(client)
            client.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
            return
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as server:
            server.sendall(_request(client).replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
            _pass_on(client, server, cut=False)

    with _served(handle) as own:
        yield own


@contextmanager
def tls(port: int, certificate: Certificate, *, mutual: bool = False) -> Iterator[int]:
    """Speaks TLS 1.3 to the client. `mutual`: only to those who show a certificate that this one vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate.file, certificate.key)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate.file)

    def handle(plain: socket.socket, _number: int) -> None:
        with context.wrap_socket(plain, server_side=True) as client, socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(_request(client).replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
            while data := server.recv(65536):
                client.sendall(data)
            client.unwrap()

    with _served(handle) as own:
        yield own


def certificate(folder: Path) -> Certificate:
    """For localhost and 127.0.0.1, in files below `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = Certificate(folder / "certificate.pem", folder / "key.pem", pin_of_key(key))
    found.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return found


@contextmanager
def _served(handle: Handler) -> Iterator[int]:
    """Its port. A thread for each connection; those end when their connections do."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def one(client: socket.socket, number: int) -> None:
        client.settimeout(PATIENCE)
        with suppress(OSError), client:
            handle(client, number)

    def accept() -> None:
        for number in count():
            try:
                client, _ = listener.accept()
            except OSError:  # the test is over
                return
            Thread(target=one, args=(client, number), daemon=True).start()

    thread = Thread(target=accept)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _request(client: socket.socket) -> bytes:
    """A request without a body, as far as its empty line."""
    said = b""
    while b"\r\n\r\n" not in said:
        data = client.recv(65536)
        if not data:
            raise ConnectionError("the client is gone")
        said += data
    return said


def _pass_on(client: socket.socket, server: socket.socket, *, cut: bool) -> None:
    """Both ways, until either side ends."""
    server.settimeout(PATIENCE)
    onwards = Thread(target=_copied, args=(client, server), daemon=True)
    onwards.start()
    _copied(server, client, cut=cut)
    for each in (server, client):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    onwards.join()


def _copied(source: socket.socket, target: socket.socket, *, cut: bool = False) -> None:
    with suppress(OSError):
        said = b""
        while data := source.recv(65536):
            if cut and (end := _end_of_third(said + data)):
                target.sendall(data[: max(0, end - len(said))])
                return
            said += data
            target.sendall(data)


def _end_of_third(said: bytes) -> int:
    """Where the third event has told its id and no more; 0: not yet."""
    at = 0
    for _ in range(EVENTS_UNTIL_CUT):
        at = said.find(b"\nid: ", at) + 1
        if not at:
            return 0
    return at + len(b"id: 3")

"""TLS at the edge: real handshakes over loopback."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from appliance.api.profile_management import Management
from appliance.api_server.caller import Caller
from appliance.api_server.edge.limits import Deadlines
from appliance.api_server.edge.tls import CertificateUnusable, Pins, Tls
from tests.rigs.edge import Edged, all_of, edged, parsed, until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
NOTHING = {"certificate": "", "key": "", "clients": ""}


def tls_of(folder: Path, files: Mapping[str, str] = NOTHING, told: list[Pins] | None = None, **section: Any) -> Tls:
    """TLS at loopback, as only tests want it."""

    async def read() -> Mapping[str, str]:
        return files

    async def tell(pins: Pins) -> None:
        if told is not None:
            told.append(pins)

    management = Management.model_validate({"tls": {"loopback": True, **section}})
    return Tls(management, folder, read, tell)


def pair(*names: str) -> tuple[str, str]:
    """A certificate and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = _certified(key, *names)
    return pem.decode(), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _certified(key: ec.EllipticCurvePrivateKey, *names: str) -> bytes:
    """For servers and clients alike."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
    builder = builder.not_valid_after(now + dt.timedelta(days=9))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def trusting(pem: str | bytes, certificate: tuple[str, str] | None = None, folder: Path | None = None) -> ssl.SSLContext:
    """A client that trusts this certificate alone, and has one of its own if that is given."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.load_verify_locations(cadata=pem if isinstance(pem, str) else pem.decode())
    made.set_alpn_protocols(["h2", "http/1.1"])
    if certificate is not None:
        assert folder is not None
        (folder / "client.pem").write_text("".join(certificate))
        made.load_cert_chain(folder / "client.pem")
    return made


async def ask(server: Edged, client: ssl.SSLContext) -> tuple[int, Mapping[str, str], str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=client, server_hostname="localhost")
    spoken = writer.get_extra_info("ssl_object")
    writer.write(GET)
    status, fields, _ = parsed(await all_of(reader, writer))
    return status, fields, spoken.version(), spoken.selected_alpn_protocol()


async def test_it_speaks_tls_1_3_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    told: list[Pins] = []
    tls = tls_of(tmp_path, told=told)
    await tls.look()
    async with edged(context=tls.context) as server:
        client = trusting((tmp_path / "tls/certificate.pem").read_bytes())
        status, fields, version, alpn = await ask(server, client)
        assert (status, version, alpn) == (200, "TLSv1.3", "http/1.1")
        assert "strict-transport-security" in fields
        assert [pins.source for pins in told] == ["own"]
        await tls.rotate()
        assert told[1].pin == told[0].backup
        assert (await ask(server, trusting((tmp_path / "tls/certificate.pem").read_bytes())))[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(server, client)


async def test_plain_http_gets_no_answer_there_nor_does_an_old_version(tmp_path: Path) -> None:
    tls = tls_of(tmp_path)
    await tls.look()
    async with edged(context=tls.context) as server:
        assert b"HTTP/" not in await server.say(GET)
        old = trusting((tmp_path / "tls/certificate.pem").read_bytes())
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(server, old)
        assert server.edge.figures.refused == {"handshake": 2}


async def test_without_a_certificate_it_says_nothing_at_all(tmp_path: Path) -> None:
    async with edged(context=tls_of(tmp_path).context) as server:
        assert await server.say(GET) == b""
        assert server.edge.figures.refused == {"handshake": 1}
        assert not server.edge.seats.taken


async def test_a_handshake_that_never_ends_is_cut_and_counted_before(tmp_path: Path) -> None:
    tls = tls_of(tmp_path)
    await tls.look()
    async with edged({"limits": {"per_address": 2}}, Deadlines(handshake=0.2), tls.context) as server:
        connections = [await server.connect() for _ in range(2)]
        for reader, writer in connections:
            writer.write(b"\x16\x03\x01")
            assert await all_of(reader, writer) == b""
        await until(lambda: not server.edge.seats.taken)
        assert server.edge.figures.refused == {"handshake": 2}


async def test_files_that_are_replaced_are_used_without_a_restart(tmp_path: Path) -> None:
    certificate, key = pair("localhost")
    files = {"certificate": certificate, "key": key, "clients": ""}
    tls = tls_of(tmp_path, files, certificate="/c.pem", key="/k.pem")
    await tls.look()
    async with edged(context=tls.context) as server:
        assert (await ask(server, trusting(certificate)))[0] == 200
        files["certificate"], files["key"] = pair("localhost")
        await tls.look()
        assert tls.pins.source == "profile"
        assert (await ask(server, trusting(files["certificate"])))[0] == 200
        files["key"] = key  # half replaced
        with pytest.raises(CertificateUnusable):
            await tls.look()
        assert (await ask(server, trusting(files["certificate"])))[0] == 200
        with pytest.raises(CertificateUnusable):
            await tls.rotate()


async def test_only_clients_with_a_certificate_of_the_bundle_get_in(tmp_path: Path) -> None:
    known, stranger = pair("client"), pair("client")
    tls = tls_of(tmp_path, {**NOTHING, "clients": known[0]}, clients="/clients.pem")
    await tls.look()
    async with edged(context=tls.context) as server:
        pem = (tmp_path / "tls/certificate.pem").read_bytes()
        assert (await ask(server, trusting(pem, known, tmp_path)))[0] == 200
        for certificate in (stranger, None):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=trusting(pem, certificate, tmp_path), server_hostname="localhost"
            )
            writer.write(GET)
            assert b"HTTP/" not in await all_of(reader, writer)
        await until(lambda: server.edge.figures.refused == {"handshake": 2})


async def test_a_certificate_is_a_user_where_the_profile_says_so(tmp_path: Path) -> None:
    alice, bob = pair("alice.example.net"), pair("bob.example.net")
    tls = tls_of(tmp_path, {**NOTHING, "clients": alice[0] + bob[0]}, clients="/clients.pem")
    await tls.look()
    async with edged({"tls": {"users": {"alice.example.net": "alice"}}}, context=tls.context) as server:

        async def named(user: str) -> Caller:
            return Caller(user, ("viewer",), "certificate")

        server.edge.named = named
        pem = (tmp_path / "tls/certificate.pem").read_bytes()
        assert await whoever(server, trusting(pem, alice, tmp_path)) == ("alice", "certificate")
        assert await whoever(server, trusting(pem, bob, tmp_path)) == ("", "")


async def whoever(server: Edged, client: ssl.SSLContext) -> tuple[str, str]:
    """As whom that client is known."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=client, server_hostname="localhost")
    writer.write(GET)
    _, _, body = parsed(await all_of(reader, writer))
    return body["name"], body["how"]


def listener_at(address: str) -> socket.socket:
    return socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)


@pytest.mark.parametrize(
    ("address", "section", "secure"),
    [
        ("127.0.0.1", {}, False),
        ("::1", {}, False),
        ("127.0.0.2", {"plain": False}, False),
        ("0.0.0.0", {}, True),
        ("::", {}, True),
        ("0.0.0.0", {"plain": True}, False),
        ("127.0.0.1", {"loopback": True, "plain": True}, True),
    ],
)
async def test_plain_http_is_for_loopback_unless_the_profile_says_so(
    tmp_path: Path, address: str, section: dict[str, Any], secure: bool
) -> None:
    with listener_at(address) as listener:
        assert tls_of(tmp_path, **{"loopback": False, **section}).is_secure(listener) is secure

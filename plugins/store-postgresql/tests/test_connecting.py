"""A connection over the network: nobody's but the database's, and with the password of the moment."""

from __future__ import annotations

import datetime as dt
import socket
import traceback
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.api.stores import Put, Store, StoreAway, StoreBroken
from appliance.testing.services import FakeApiServices
from appliance_store_postgresql.opening import opened
from appliance_store_postgresql.settings import PostgresqlSettings
from tests.rigs.postgresql import QUICK, Cluster, cluster

SECRET = "tea at five"


def certificate(*names: x509.GeneralName) -> tuple[str, str]:
    """Signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(1))
    made = (
        builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.public_bytes(serialization.Encoding.PEM).decode(), key.private_bytes(*form).decode()


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def secured(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Its certificate is for localhost, and it takes no connection without TLS."""
    text, key = certificate(x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.9")))

    def prepare(server: Cluster) -> None:
        (server.folder / "ca.pem").write_text(text)
        server.write("server.crt", text)
        server.write("server.key", key)
        server.write("pg_hba.conf", "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")

    with cluster(prepare, **QUICK, ssl="on", listen_addresses="127.0.0.1", port=str(port)) as running:
        running.run(f"CREATE ROLE api LOGIN PASSWORD '{SECRET}'; GRANT CREATE ON DATABASE postgres TO api")
        yield running


@pytest.fixture
def said(secured: Cluster, port: int, schema: str) -> dict[str, Any]:
    return {
        "host": "localhost", "port": port, "database": "postgres", "user": "api", "schema": schema,
        "tls": "verify-full", "ca": str(secured.folder / "ca.pem"), "password": "file:/password",
    }  # fmt: skip


async def tried(said: dict[str, Any], password: bytes = SECRET.encode()) -> list[int]:
    services = FakeApiServices(secrets={"file:/password": password + b"\n"})

    async def use(store: Store) -> list[int]:
        return await store.commit(Put("a", "x", b""))

    async with opened(PostgresqlSettings(**said), services) as store:
        assert services.sources[0]()["connections"] >= 1
        return await use(store)


async def test_a_database_elsewhere_is_used_when_it_is_the_one(said: dict[str, Any]) -> None:
    assert await tried(said) == [1]


async def test_another_host_of_a_good_certificate_is_taken_where_the_profile_says_so(said: dict[str, Any]) -> None:
    with pytest.raises(StoreBroken, match="not protected"):
        await tried(said | {"host": "127.0.0.1"})
    assert await tried(said | {"host": "127.0.0.1", "tls": "verify-ca"}) == [1]


async def test_one_whose_certificate_nobody_signed_gets_no_password(said: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_text(certificate()[0])
    for ca in (None, str(tmp_path / "other.pem")):
        with pytest.raises(StoreBroken, match="not protected") as raised:
            await tried(said | {"ca": ca})
        assert "tls and ca" in raised.value.hint


async def test_without_tls_the_database_refuses(said: dict[str, Any]) -> None:
    with pytest.raises(StoreBroken, match="no encryption"):
        await tried(said | {"tls": "off", "ca": None})


async def test_one_that_has_no_tls_gets_no_password(database: Cluster, said: dict[str, Any]) -> None:
    with cluster(**QUICK, listen_addresses="127.0.0.1", port=str(said["port"] % 60_000 + 1_111)) as plain:
        with pytest.raises(StoreBroken, match="not protected"):
            await tried(said | {"port": said["port"] % 60_000 + 1_111})
        assert plain.run("SELECT 1") == "1"


async def test_a_wrong_password_is_told_without_it(said: dict[str, Any]) -> None:
    wrong = b"tea at six".hex()
    with pytest.raises(StoreBroken, match="password authentication failed") as raised:
        await tried(said, wrong.encode())
    assert wrong not in "".join(traceback.format_exception(raised.value)) + raised.value.hint


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"database": "nothing"}, StoreBroken, "nothing"),
        ({"user": "nobody-here"}, StoreBroken, "password authentication failed"),
        ({"port": 1}, StoreAway, "cannot be reached"),
        ({"ca": "/nothing.pem"}, StoreBroken, "ca.*nothing.pem"),
        ({"host": "nowhere.invalid"}, StoreAway, "cannot be reached"),
    ],
)
async def test_what_is_not_there_is_named(
    said: dict[str, Any], changed: dict[str, Any], error: type[StoreBroken], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        await tried(said | changed)
    assert type(raised.value) is error
    assert raised.value.hint

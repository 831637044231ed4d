"""aioquic, which shares no code with the QUIC that we speak, at both ends; and what a far end that is none of ours causes."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import DatagramFrameReceived, QuicEvent
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.api.values import Endpoint
from appliance.testing.transport import End, FakeTransportServices, handshake_packet, record
from appliance_transport_quic.driver import Trains
from appliance_transport_quic.plugin import QUIC
from appliance_transport_quic.settings import QuicSettings
from appliance_transport_quic.tls import self_signed
from appliance_transport_quic.transport import Quic

SECONDS = 60.0
BEFORE, AFTER = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


class Foreign(QuicConnectionProtocol):
    """Keeps what comes in DATAGRAM frames."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, DatagramFrameReceived):
            self.came.put_nowait(event.data)

    def say(self, data: bytes) -> None:
        self._quic.send_datagram_frame(data)
        self.transmit()


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[tuple[Quic, FakeTransportServices]]:
    services = FakeTransportServices()
    transport = Quic(QuicSettings.model_validate({"verify": False, **settings}), services)
    try:
        yield transport, services
        assert services.failures == []
    finally:
        await transport.close()
        await services.close()


@asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[tuple[Quic, FakeTransportServices, int]]:
    async with opened(**settings) as (transport, services):
        local = await transport.listen(Endpoint("quic", "127.0.0.1", 0))
        yield transport, services, local.port


def configured(*, alpn: str = "h3", frame: int | None = 65536, client: bool = True) -> QuicConfiguration:
    return QuicConfiguration(
        is_client=client, alpn_protocols=[alpn], max_datagram_frame_size=frame, verify_mode=ssl.CERT_NONE, server_name="localhost"
    )


async def counted(transport: Quic, figure: str) -> None:
    async with asyncio.timeout(SECONDS):
        while not transport.answering.figures.get(figure):  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.02)


async def reads(end: End, enough: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not enough():
            end.drain_once()
            await asyncio.sleep(0)


async def test_a_foreign_caller_sends_records_in_datagram_frames_and_gets_answers() -> None:
    async with listening() as (transport, services, port):
        shared = End(QUIC, await services.wait_for(0))
        async with connect("127.0.0.1", port, configuration=configured(), create_protocol=Foreign) as protocol:
            foreign = cast("Foreign", protocol)
            hello, answer = handshake_packet(1, b"hello"), handshake_packet(2, b"answer")
            foreign.say(hello)
            await reads(shared, lambda: shared.packets == [hello])
            source = shared.sources[0]
            assert source is not None
            shared.driver.send_packet(answer, source)
            assert await asyncio.wait_for(foreign.came.get(), SECONDS) == answer

            adopted = await transport.connect(Endpoint("quic", "127.0.0.1", port), Endpoint("quic", *source))
            assert adopted is not None
            services.adopt(adopted)
            own, one = End(QUIC, adopted), record(1, b"a record")
            foreign.say(one.header + one.body)
            await reads(own, lambda: own.records == [one])
            own.transmit(one)
            assert await asyncio.wait_for(foreign.came.get(), SECONDS) == one.header + one.body
        await counted(transport, "closed")
        await reads(own, lambda: not own.open)


async def test_we_call_a_foreign_server(tmp_path: Path) -> None:
    file = tmp_path / "both.pem"
    file.write_bytes(self_signed())
    configuration = configured(client=False)
    configuration.load_cert_chain(file, file)
    served: list[Foreign] = []

    def make(*args: Any, **more: Any) -> Foreign:
        served.append(Foreign(*args, **more))
        return served[-1]

    server = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=make, retry=True)
    port = cast("Any", server)._transport.get_extra_info("sockname")[1]
    try:
        async with opened() as (transport, services):
            services.adopt(await transport.dial(Endpoint("quic", "127.0.0.1", port), SECONDS))
            end, one = End(QUIC, services.adopted[0]), record(1, b"there and back")
            end.transmit(one)
            foreign = served[-1]
            data = await asyncio.wait_for(foreign.came.get(), SECONDS)
            assert data == one.header + one.body
            foreign.say(data)
            await reads(end, lambda: end.records == [one])
    finally:
        server.close()


async def test_a_link_over_ipv6_from_a_listener_on_all_addresses() -> None:
    async with opened() as (listener, there), opened() as (caller, here):
        local = await listener.listen(Endpoint("quic", "::", 0))
        here.adopt(await caller.dial(local._replace(host="::1"), SECONDS))
        near, shared, hello = End(QUIC, here.adopted[0]), End(QUIC, there.adopted[0]), handshake_packet(1, b"hello")
        near.driver.send_packet(hello, None)
        await reads(shared, lambda: shared.packets == [hello])
        source = shared.sources[0]
        assert source == ("::1", here.adopted[0].local.port)
        assert cast("Trains", shared.driver).local_of(source) == "::1"
        shared.driver.send_packet(hello, source)
        await reads(near, lambda: near.packets == [hello])


async def test_who_wants_another_protocol_gets_none() -> None:
    async with listening() as (transport, services, port):
        with pytest.raises(ConnectionError):
            async with connect("127.0.0.1", port, configuration=configured(alpn="smb")):
                raise AssertionError
        await counted(transport, "tls")
        assert len(services.adopted) == 1


async def test_who_takes_no_datagram_frames_is_left_alone() -> None:
    async with listening() as (transport, services, port):
        shared = End(QUIC, await services.wait_for(0))
        async with connect("127.0.0.1", port, configuration=configured(frame=None), create_protocol=Foreign) as protocol:
            await protocol.ping()
            shared.driver.send_packet(
                handshake_packet(1, b"hello"), ("127.0.0.1", protocol._transport.get_extra_info("sockname")[1])
            )
            await counted(transport, "broken")


async def test_a_browser_gets_an_end_without_an_error() -> None:
    async with listening() as (transport, _, port):
        async with connect("127.0.0.1", port, configuration=configured(), create_protocol=Foreign) as protocol:
            _, writer = await protocol.create_stream(is_unidirectional=True)
            writer.write(b"\x00\x04\x00")
            await asyncio.wait_for(protocol.wait_closed(), SECONDS)
        await counted(transport, "foreign")


def signed(folder: Path) -> tuple[Path, Path]:
    """An authority's certificate; and a certificate for localhost which it signed, with its key (PEM)."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority", "localhost")]
    texts = []
    for key, name, is_authority in zip(keys, names, (True, False), strict=True):
        built = x509.CertificateBuilder().subject_name(name).issuer_name(names[0]).public_key(key.public_key())
        built = built.serial_number(x509.random_serial_number()).not_valid_before(BEFORE).not_valid_after(AFTER)
        built = built.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        built = built.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False)
        built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        texts.append(built.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    secret = keys[1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    authority, both = folder / "authority.pem", folder / "signed.pem"
    authority.write_bytes(texts[0])
    both.write_bytes(texts[1] + secret)
    return authority, both


async def dialled(endpoint: Endpoint, **settings: Any) -> str:
    """Why a call fails; "" if it does not."""
    async with opened(**settings) as (transport, services):
        try:
            services.adopt(await transport.dial(endpoint, SECONDS))
        except OSError as error:
            return str(error)
    return ""


async def test_a_certificate_must_be_good_unless_the_admin_says_otherwise(tmp_path: Path) -> None:
    authority, file = signed(tmp_path)
    async with listening(certificate=str(file), key=str(file)) as (_, _services, port):
        named = Endpoint("quic", "127.0.0.1", port, f"localhost:{port}")
        other = Endpoint("quic", "127.0.0.1", port, f"other.example:{port}")
        said = await dialled(named, verify=True)
        assert f"the certificate of localhost:{port} is not accepted" in said
        assert "transports.quic.verify: false" in said
        assert await dialled(named, verify=False) == ""
        assert "is not accepted" in await dialled(other, verify=True, authorities=str(authority))
        assert await dialled(named, verify=True, authorities=str(authority)) == ""


async def test_files_that_are_no_certificates_are_told(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")
    with pytest.raises(OSError, match="No such file"):
        async with listening(certificate=missing, key=missing):
            raise AssertionError
    assert "No such file" in await dialled(Endpoint("quic", "127.0.0.1", 1), authorities=missing)


async def test_where_nobody_is_that_is_heard_at_once_and_where_nobody_answers_after_a_while() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent, socket.socket(type=socket.SOCK_DGRAM) as gone:
        silent.bind(("127.0.0.1", 0))
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
        gone.close()
        assert await dialled(Endpoint("quic", "127.0.0.1", port)) == "connection refused"
        port = silent.getsockname()[1]
        assert await dialled(Endpoint("quic", "127.0.0.1", port)) == f"127.0.0.1:{port} does not answer"


async def test_a_carrier_that_was_killed_is_started_again_and_listens() -> None:
    async with listening() as (transport, services, port):
        process = transport.answering._process
        assert process is not None
        first = End(QUIC, await services.wait_for(0))
        process.kill()
        await reads(first, lambda: not first.open)
        async with asyncio.timeout(SECONDS):
            while len(services.adopted) < 2:  # noqa: ASYNC110 - an interpreter starts
                await asyncio.sleep(0.02)
        again = End(QUIC, services.adopted[1])
        async with connect("127.0.0.1", port, configuration=configured(), create_protocol=Foreign) as protocol:
            cast("Foreign", protocol).say(handshake_packet(1, b"hello"))
            await reads(again, lambda: len(again.packets) == 1)

"""The suites find what is wrong: one broken stranger for each promise."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict

from appliance.api.crypto import Aead, CryptoSuite
from appliance.api.monitoring import MonitorKind
from appliance.api.peer_protocol import Answer, PeerProtocolKind
from appliance.api.routing import Route, RoutingKind
from appliance.api.stream import Stream
from appliance.api.transport import AdaptiveDriver, Buffers, Driver, Transport, TransportKind
from appliance.testing.conformance.crypto import CryptoConformance
from appliance.testing.conformance.limits import members
from appliance.testing.conformance.monitoring import MonitoringConformance
from appliance.testing.conformance.peer_protocol import PeerProtocolConformance
from appliance.testing.conformance.routing import RoutingConformance
from appliance.testing.conformance.transport import TransportConformance
from appliance.testing.routing import FakeRoutingView
from appliance_crypto_standard.cascade import Cascade
from appliance_crypto_standard.plugin import AES_256_GCM, HSE, NULL
from appliance_transport_ip.datagram import Datagrams
from appliance_transport_ip.plugin import TCP, UDP
from appliance_transport_ip.udp import Udp

HERE = __name__
Broken = Callable[[], None]


def finds(deed: Broken) -> None:
    with pytest.raises(BaseException):  # noqa: B017  pytest's own failures are no Exception
        deed()


# ---- routing ----


class Greedy:
    def routes(self, view: Any) -> Iterator[Route]:
        yield Route(ipaddress.ip_network("0.0.0.0/0"), "hub")


class Forgetful:
    def __init__(self) -> None:
        self.told: set[str] = set()

    def routes(self, view: Any) -> Iterator[Route]:
        for peer, prefixes in view.allowed():
            if peer not in self.told:
                self.told.add(peer)
                yield from (Route(prefix, peer) for prefix in prefixes)


def routing(router: Callable[[], Any]) -> RoutingConformance:
    class Suite(RoutingConformance):
        def kind(self) -> RoutingKind:
            return RoutingKind("broken", None, lambda _settings, _services: router())

    return Suite()


VIEW = FakeRoutingView({"hub": ["10.0.0.0/8"], "laptop": ["10.8.0.2/32"]}, connected=["hub"])


def test_a_router_that_takes_what_is_not_the_peers() -> None:
    finds(lambda: routing(Greedy).test_it_stays_within_the_allowed_prefixes(VIEW))
    finds(lambda: routing(Greedy).test_without_peers_there_are_no_routes())


def test_a_router_that_gives_only_what_is_new() -> None:
    finds(lambda: routing(Forgetful).test_the_same_view_gives_the_same_table(VIEW))


# ---- crypto ----


class Lazy:
    """Authenticates nothing."""

    def __init__(self, key: bytes) -> None:
        self._key = key[0]

    def encrypt_into(self, nonce: Any, data: Any, associated_data: Any, buf: Any, /) -> int:
        size = len(data)
        buf[:size] = bytes(octet ^ self._key for octet in data)
        buf[size : size + 16] = bytes(16)
        return size + 16

    def decrypt_into(self, nonce: Any, data: Any, associated_data: Any, buf: Any, /) -> int:
        size = len(data) - 16
        buf[:size] = bytes(octet ^ self._key for octet in data[:size])
        return size


def crypto(suite: CryptoSuite) -> CryptoConformance:
    class Suite(CryptoConformance):
        def suite(self) -> CryptoSuite:
            return suite

    return Suite()


def test_a_cipher_that_authenticates_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = crypto(CryptoSuite("lazy", 0x8001, 32, 16, "appliance_crypto_standard.null:Null"))
    monkeypatch.setattr("appliance_crypto_standard.null.Null", Lazy)
    lazy.test_a_record_goes_round_in_place(100)
    finds(lambda: lazy.test_a_flipped_bit_is_refused("tag"))
    for part in ("key", "nonce", "header", "record"):
        finds(lambda part=part: lazy.test_every_bit_is_authenticated(part))
    finds(lazy.test_keys_and_nonces_give_distinct_ciphertexts)


class Shortened:
    """AES-GCM whose nonce has as many bytes as `cut` leaves; the rest is authenticated or forgotten."""

    cut: slice
    bound = False

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def _of(self, nonce: bytes, header: bytes) -> tuple[bytes, bytes]:
        left = bytes(nonce)[self.cut]
        return left.rjust(12, b"\0"), bytes(header) + (bytes(nonce) if self.bound else b"")

    def encrypt_into(self, nonce: Any, data: Any, associated_data: Any, buf: Any, /) -> int:
        short, header = self._of(nonce, associated_data)
        return self._cipher.encrypt_into(short, data, header, buf)

    def decrypt_into(self, nonce: Any, data: Any, associated_data: Any, buf: Any, /) -> int:
        short, header = self._of(nonce, associated_data)
        return self._cipher.decrypt_into(short, data, header, buf)


@pytest.mark.parametrize("bound", [False, True], ids=["forgotten", "bound"])
@pytest.mark.parametrize("cut", [slice(10, None), slice(8, None), slice(None, 11), slice(None, -4), slice(5, None)], ids=str)
def test_a_cipher_that_takes_part_of_the_nonce(cut: slice, bound: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance_crypto_standard.null.Null", type("Mutant", (Shortened,), {"cut": cut, "bound": bound}))
    suite = crypto(CryptoSuite("short", 0x8001, 32, 16, "appliance_crypto_standard.null:Null"))
    suite.test_a_record_goes_round_in_place(100)
    finds(suite.test_every_bit_of_the_nonce_changes_the_ciphertext)
    if cut not in (slice(5, None), slice(None, 11)):  # no two of its records differ in the first of these bytes or the last
        finds(suite.test_no_two_records_are_sealed_alike)


class HalfKey(Shortened):
    """Uses the first sixteen bytes of its key."""

    cut = slice(None)

    def __init__(self, key: bytes) -> None:
        super().__init__(key[:16])


def test_a_cipher_that_takes_half_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance_crypto_standard.null.Null", HalfKey)
    suite = crypto(CryptoSuite("half", 0x8001, 32, 16, "appliance_crypto_standard.null:Null"))
    suite.test_no_two_records_are_sealed_alike()
    finds(suite.test_every_bit_of_the_key_changes_the_ciphertext)
    finds(lambda: suite.test_every_bit_is_authenticated("key"))


class HalfHeader(Shortened):
    """Authenticates the first half of the header."""

    cut = slice(None)

    def _of(self, nonce: bytes, header: bytes) -> tuple[bytes, bytes]:
        return bytes(nonce), bytes(header)[:12]


def test_a_cipher_that_authenticates_half_of_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance_crypto_standard.null.Null", HalfHeader)
    suite = crypto(CryptoSuite("half", 0x8001, 32, 16, "appliance_crypto_standard.null:Null"))
    finds(lambda: suite.test_every_bit_is_authenticated("header"))


def test_a_suite_that_lies_about_its_sizes() -> None:
    suite = AES_256_GCM
    wrong = CryptoSuite("wrong", 0x8001, suite.key_bytes, 20, suite.aead)
    finds(lambda: crypto(wrong).test_a_record_goes_round_in_place(100))
    finds(lambda: crypto(CryptoSuite("null", 1, 32, 0, NULL.aead)).test_it_describes_itself())


# ---- monitoring ----


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")


def monitoring(run: Callable[[], Any]) -> MonitoringConformance:
    @asynccontextmanager
    async def show(settings: object, services: Any) -> AsyncIterator[object]:
        kept = asyncio.create_task(run())
        yield kept
        kept.cancel()

    class Suite(MonitoringConformance):
        def kind(self) -> MonitorKind:
            return MonitorKind("broken", lambda: Settings, show)

    return Suite()


async def dies() -> None:
    await asyncio.sleep(0)
    raise LookupError("nobody hears this")


async def runs() -> None:
    await asyncio.Event().wait()


def test_a_monitor_whose_task_died() -> None:
    monitoring(runs).test_it_starts_shows_and_stops()
    with pytest.raises(AssertionError, match="nobody hears this"):
        monitoring(dies).test_it_starts_shows_and_stops()


def test_a_monitor_whose_callback_failed() -> None:
    async def calls_back() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await runs()

    with pytest.raises(AssertionError, match="division"):
        monitoring(calls_back).test_it_starts_shows_and_stops()


# ---- transport ----


class OneAtATime(Stream):
    """Gives up half of a record when the socket is full."""

    def _keep(self, data: memoryview) -> bool:
        return False


class Trusting(Stream):
    """Believes what it reads."""

    def receive(self, sink: Any) -> bool:
        data = self._sock.recv(65536)
        assert data[:2] == b"L1"
        return super().receive(sink)


class Aliasing(Stream):
    """Keeps a reference to shared memory that the worker writes anew."""

    def __init__(self, sock: Any, options: Any, buffers: Buffers) -> None:
        super().__init__(sock, options, buffers)
        self._late: list[memoryview] = []

    def transmit(self, length: int) -> bool:
        self._late.append(self._tx[: 24 + length])
        return False

    def flush(self) -> bool:
        while self._late:
            self._write(self._late.pop(0))
        return super().flush()


def transport(driver: type, monkeypatch: pytest.MonkeyPatch) -> TransportConformance:
    monkeypatch.setattr("appliance.api.stream.Broken", driver, raising=False)

    class Suite(TransportConformance):
        def kind(self) -> TransportKind:
            return TCP._replace(driver="appliance.api.stream:Broken")

    return Suite()


def test_a_driver_that_loses_half_a_record_when_congested(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(transport(OneAtATime, monkeypatch).test_congestion_is_said_and_nothing_arrives_damaged)


def test_a_driver_that_raises_on_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(transport(Trusting, monkeypatch).test_garbage_never_raises)


def test_a_driver_that_keeps_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(transport(Aliasing, monkeypatch).test_records_in_a_row_keep_their_borders)


class Forgetting(Stream):
    """Keeps the file open."""

    def close(self) -> None:
        self._twin = self._sock.dup().detach()
        super().close()


class Counting(Stream):
    """Counts what it cannot count."""

    def arrivals(self) -> tuple[int, int]:
        return 3, 7


def test_a_driver_that_leaks_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    finds(transport(Forgetting, monkeypatch).test_it_leaves_no_descriptor_behind)
    for leaked in set(Path("/proc/self/fd").iterdir()) - before:
        with suppress(OSError):
            os.close(int(leaked.name))


def test_a_control_half_that_leaks_descriptors() -> None:
    leaked: list[socket.socket] = []

    class Leaking:
        def __init__(self, settings: None, services: Any) -> None:
            self._inner = TCP.open(settings, services)
            self.dial, self.connect, self.close = self._inner.dial, self._inner.connect, self._inner.close

        async def listen(self, at: Any) -> Any:
            leaked.append(socket.socket())
            return await self._inner.listen(at)

    class Suite(TransportConformance):
        def kind(self) -> TransportKind:
            return TCP._replace(open=Leaking)

    finds(Suite().test_it_leaves_no_descriptor_behind)
    for sock in leaked:
        sock.close()


@pytest.mark.parametrize("lacking", ["protect", "arrivals", "fragment_flags", "transmit_to"])
def test_a_driver_without_a_member(lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Incomplete(Stream):
        def __getattribute__(self, name: str) -> Any:
            if name == lacking:
                raise AttributeError(name)
            return super().__getattribute__(name)

    with pytest.raises(AssertionError, match="lacks members"):
        transport(Incomplete, monkeypatch).test_both_halves_have_every_member()


def test_a_driver_that_counts_what_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(transport(Counting, monkeypatch).test_arrivals_are_counted)


def test_a_kind_that_says_stream_and_is_datagram() -> None:
    class Suite(TransportConformance):
        def kind(self) -> TransportKind:
            return UDP._replace(datagram=False)

    finds(Suite().test_the_driver_has_a_descriptor_and_lengths)


# ---- peer protocols ----


class Quiet:
    """Says nothing, and answers nothing."""

    def __init__(self, settings: object, services: Any) -> None:
        self.services = services

    def on_connected(self, peer: str) -> None:
        """Nothing to ask."""

    def on_gone(self, peer: str) -> None:
        """Nothing to forget."""

    def on_message(self, peer: str, kind: str, content: Any, body: bytes) -> None:
        """Nothing to note."""

    async def on_request(self, peer: str, kind: str, content: Any, body: bytes) -> Any:
        return None


class Credulous(Quiet):
    def on_message(self, peer: str, kind: str, content: Any, body: bytes) -> None:
        assert content["name"] in ("moon", "tide")


class Vague(Quiet):
    async def on_request(self, peer: str, kind: str, content: Any, body: bytes) -> Any:
        return {"text": "no Answer"}


class Echo(Quiet):
    async def on_request(self, peer: str, kind: str, content: Any, body: bytes) -> Any:
        return Answer(content, body + body)


class Untidy(Quiet):
    def on_connected(self, peer: str) -> None:
        self.kept = asyncio.ensure_future(asyncio.Event().wait())


class Chatty(Quiet):
    def on_connected(self, peer: str) -> None:
        self.services.spawn(self._chat(peer), "chat")

    async def _chat(self, peer: str) -> None:
        while True:
            self.services.send(peer, "news")
            await self.services.sleep(0.001)


class Deaf:
    """Lacks a member."""

    on_connected, on_message, on_request = Quiet.on_connected, Quiet.on_message, Quiet.on_request

    def __init__(self, settings: object, services: object) -> None:
        """Keeps neither."""


def protocol(subject: Any) -> PeerProtocolConformance:
    kind = PeerProtocolKind("broken", lambda: Settings, subject)

    class Suite(PeerProtocolConformance):
        def kind(self) -> PeerProtocolKind:
            return kind

    return Suite()


def test_a_protocol_without_fault_passes_all() -> None:
    play_all(protocol(Quiet))


def test_a_protocol_that_trusts_what_a_peer_says() -> None:
    finds(lambda: protocol(Credulous).test_it_bears_whatever_a_peer_says({}, b""))


def test_a_protocol_whose_answers_cannot_be_sent() -> None:
    for vague in (Vague, Echo):
        finds(lambda vague=vague: protocol(vague).test_it_answers_or_refuses_whatever_a_peer_asks({}, bytes(9000)))  # type: ignore[misc]


def test_a_protocol_that_leaves_tasks_behind() -> None:
    finds(protocol(Untidy).test_two_nodes_get_along)


def test_a_protocol_that_says_too_much() -> None:
    finds(protocol(Chatty).test_two_nodes_get_along)


def test_a_protocol_without_a_member() -> None:
    finds(protocol(Deaf).test_it_has_every_member)


# ---- the suites themselves ----


def play_all(suite: Any) -> None:
    """Each test of a suite, with each of its parameters."""
    for name in dir(suite):
        if name.startswith("test_"):
            test = getattr(suite, name)
            marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
            for values in itertools.product(*(mark.args[1] for mark in marks)):
                test(**dict(zip((mark.args[0] for mark in marks), values, strict=True)))


def noting(subject: type, called: set[str]) -> type:
    """The same class; what is asked of its objects is noted."""

    class Noting(subject):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            called.add(name)
            return super().__getattribute__(name)

    return Noting


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question whether a member is there is not yet a use of it."""
    for kind in ("transport", "crypto"):
        monkeypatch.setattr(f"appliance.testing.conformance.{kind}.missing", lambda _subject, _protocol: [])


@pytest.mark.usefixtures("unchecked")
def test_the_suite_of_transports_uses_every_member(monkeypatch: pytest.MonkeyPatch) -> None:
    driven, controlled = set[str](), set[str]()
    monkeypatch.setattr("appliance_transport_ip.datagram.Noted", noting(Datagrams, driven), raising=False)
    monkeypatch.setattr(Udp, "__getattribute__", lambda self, name: controlled.add(name) or object.__getattribute__(self, name))

    class Suite(TransportConformance):
        def kind(self) -> TransportKind:
            return UDP._replace(driver="appliance_transport_ip.datagram:Noted")

    play_all(Suite())
    assert not set(members(Driver)) - driven, "the suite does not try these members of a driver"
    assert not set(members(AdaptiveDriver)) - driven
    assert not set(members(Transport)) - controlled, "the suite does not try these members of a transport"


@pytest.mark.usefixtures("unchecked")
def test_the_suite_of_ciphers_uses_every_member(monkeypatch: pytest.MonkeyPatch) -> None:
    called = set[str]()
    monkeypatch.setattr("appliance_crypto_standard.cascade.Cascade", noting(Cascade, called))
    play_all(crypto(HSE))
    assert not set(members(Aead)) - called


def test_members_are_those_of_the_protocol_and_its_bases() -> None:
    assert {"whole_bytes", "fileno", "receive", "protect", "arrivals", "close"} <= set(members(Driver))
    assert set(members(AdaptiveDriver)) == {*members(Driver), "shape", "transmit_whole"}

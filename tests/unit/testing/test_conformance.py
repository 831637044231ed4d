"""The suites find what is wrong: one broken stranger for each promise."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

from appliance.api.crypto import CryptoSuite
from appliance.api.discovery import Candidate, DiscoveryKind
from appliance.api.routing import Route, RoutingKind
from appliance.api.transport import Buffers, TransportKind
from appliance.testing.conformance.crypto import CryptoConformance
from appliance.testing.conformance.discovery import PEERS, DiscoveryConformance
from appliance.testing.conformance.routing import RoutingConformance
from appliance.testing.conformance.transport import TransportConformance
from appliance.testing.routing import FakeRoutingView
from appliance_crypto_standard.plugin import AES_256_GCM, NULL
from appliance_transport_ip.plugin import TCP, UDP
from appliance_transport_ip.stream import Stream

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
            return RoutingKind("broken", router)

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
    finds(lazy.test_every_bit_of_key_and_tags_counts)
    finds(lazy.test_the_header_is_bound)
    finds(lazy.test_the_nonce_is_bound)
    finds(lazy.test_keys_and_nonces_give_distinct_ciphertexts)


def test_a_suite_that_lies_about_its_sizes() -> None:
    suite = AES_256_GCM
    wrong = CryptoSuite("wrong", 0x8001, suite.key_bytes, 20, suite.aead)
    finds(lambda: crypto(wrong).test_a_record_goes_round_in_place(100))
    finds(lambda: crypto(CryptoSuite("null", 1, 32, 0, NULL.aead)).test_it_describes_itself())


# ---- discovery ----


def discovery(candidates: Callable[[Any], AsyncIterator[Sequence[Candidate]]]) -> DiscoveryConformance:
    class Opened:
        def __init__(self, services: Any) -> None:
            self._services = services

        def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
            return candidates(self._services)

    class Suite(DiscoveryConformance):
        def kind(self) -> DiscoveryKind:
            return DiscoveryKind("broken", Opened)

    return Suite()


async def restless(services: Any) -> AsyncIterator[Sequence[Candidate]]:
    while True:
        yield [Candidate("nobody", PEERS["named"][0], 0, 0.0)]


def test_a_discoverer_that_gets_everything_wrong() -> None:
    suite = discovery(restless)
    for deed in (
        suite.test_it_gives_candidates_for_peers_of_the_profile,
        suite.test_hosts_are_addresses_by_now,
        suite.test_candidates_live_for_a_while,
        suite.test_it_pauses_between_rounds,
        suite.test_nothing_is_found_for_nobody,
        suite.test_an_unknown_name_is_reported_and_stops_nobody,
    ):
        finds(deed)


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
    monkeypatch.setattr("appliance_transport_ip.stream.Broken", driver, raising=False)

    class Suite(TransportConformance):
        def kind(self) -> TransportKind:
            return TransportKind("tcp", datagram=False, driver="appliance_transport_ip.stream:Broken", open=TCP.open)

    return Suite()


def test_a_driver_that_loses_half_a_record_when_congested(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(transport(OneAtATime, monkeypatch).test_congestion_is_said_and_nothing_arrives_damaged)


def test_a_driver_that_raises_on_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(transport(Trusting, monkeypatch).test_garbage_never_raises)


def test_a_driver_that_keeps_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(transport(Aliasing, monkeypatch).test_records_in_a_row_keep_their_borders)


def test_a_kind_that_says_stream_and_is_datagram() -> None:
    class Suite(TransportConformance):
        def kind(self) -> TransportKind:
            return TransportKind("udp", datagram=False, driver=UDP.driver, open=UDP.open)

    finds(Suite().test_the_driver_has_a_descriptor_and_lengths)

"""Strangers at a listener: what they can have answered, kept or computed is bounded, and counted by reason."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, cast

import pytest
from qh3.quic.configuration import QuicConfiguration

from appliance_transport_quic.connection import Connection, KernelAddress
from appliance_transport_quic.headers import LEAST_INITIAL, read_long
from appliance_transport_quic.listening import MOST_HANDSHAKES, MOST_OF_ONE, RETRY_FROM, Listening
from appliance_transport_quic.outside import NOWHERE, Came, Outside
from appliance_transport_quic.tls import answering, calling

CALLS = {"server_name": "localhost", **calling(None, verify=False)}
CALLED = answering(None, None)


class Sent:
    """In place of the socket: remembers what is sent."""

    def __init__(self) -> None:
        self.packets: list[tuple[bytes, KernelAddress]] = []

    def send(self, packets: list[tuple[bytes, KernelAddress]], spoken_to: Any = NOWHERE) -> None:
        del spoken_to
        self.packets += packets


class Place:
    """A listener at which strangers come in."""

    def __init__(self) -> None:
        self.sent, self.counted = Sent(), Counter[str]()
        self.listening = Listening(CALLED, cast("Outside", self.sent), self.counted, random.Random(1).randbytes)

    def take(self, packet: bytes, source: KernelAddress = ("192.0.2.1", 1), now: float = 1.0) -> None:
        for link in self.listening.take(Came(packet, len(packet), source, NOWHERE), now):
            self.listening.settle(link)

    def __len__(self) -> int:
        return len(list(self.listening))

    def answers(self) -> list[bytes]:
        told, self.sent.packets = self.sent.packets, []
        return [data for data, _ in told]


class Caller:
    """A stranger who begins, and does what it is told."""

    def __init__(self, number: int, address: str = "") -> None:
        self.source = (address or f"198.51.{number // 250}.{number % 250 + 1}", 1024 + number)
        self.connection = Connection(QuicConfiguration(is_client=True, **CALLS))
        self.connection.connect(("192.0.2.9", 443), 1.0)

    def hello(self, place: Place) -> None:
        for packet, _ in self.connection.transmits(1.0):
            place.take(packet, self.source)

    def hear(self, packets: list[bytes]) -> None:
        for packet in packets:
            self.connection.receive(packet, len(packet), ("192.0.2.9", 443), 1.0)


def test_bytes_that_are_no_quic_are_counted_and_not_answered() -> None:
    place, source = Place(), random.Random(2)
    for size in (1, 2, 6, 7, 8, 20, 200, 1199, 1200, 1400):
        for first in (0x00, 0x40, 0x80, 0xC0, 0xC3, 0xFF):
            place.take(bytes([first]) + source.randbytes(size - 1), now=1.0)
    assert place.counted["unknown"] >= 40
    assert len(place) <= 4, "random bytes may be as an Initial; such a connection never gets further"
    assert all(len(answer) < LEAST_INITIAL / 2 for answer in place.answers()), "version negotiation"


def test_another_version_is_told_ours_if_it_can_be_an_initial() -> None:
    place = Place()
    packet = b"\xc0" + (0x0A0A0A0A).to_bytes(4) + b"\x08destinat\x06source" + bytes(LEAST_INITIAL)
    place.take(packet)
    (answer,) = place.answers()
    assert answer[1:5] == bytes(4)
    assert answer[5:21] == b"\x06source\x08destinat"
    assert answer.endswith((1).to_bytes(4))
    place.take(packet[:200])
    place.take(packet[:1] + bytes(4) + packet[5:])
    assert not place.answers()
    assert place.counted == {"version": 1, "unknown": 2}


def test_under_load_a_caller_proves_its_address_before_anything_is_kept() -> None:
    place = Place()
    for number in range(RETRY_FROM):
        Caller(number).hello(place)
    assert len(place) == RETRY_FROM
    assert not place.answers(), "retry comes under load only"
    late = Caller(500)
    late.hello(place)
    assert len(place) == RETRY_FROM
    answers = place.answers()
    assert all(len(answer) < LEAST_INITIAL / 3 for answer in answers)
    late.hear(answers[:1])
    late.hello(place)
    assert len(place) == RETRY_FROM + 1
    assert place.counted["retry"] == len(answers)


def test_a_token_of_another_address_helps_nobody() -> None:
    place = Place()
    for number in range(RETRY_FROM):
        Caller(number).hello(place)
    late = Caller(500)
    late.hello(place)
    late.hear(place.answers()[:1])
    late.source = ("203.0.113.1", 1)
    late.hello(place)
    assert len(place) == RETRY_FROM
    assert place.counted["token"] >= 1


def test_a_flood_of_proved_addresses_is_bounded() -> None:
    place = Place()
    for number in range(MOST_HANDSHAKES + 20):
        caller = Caller(number)
        caller.hello(place)
        caller.hear(place.answers()[:1])
        caller.hello(place)
    assert len(place) == MOST_HANDSHAKES
    assert place.counted["full"] >= 20


@pytest.mark.parametrize("network", ["192.0.2.7", "2001:db8::{}"])
def test_one_place_has_a_share_of_the_room(network: str) -> None:
    place = Place()
    for number in range(MOST_OF_ONE + 5):
        caller = Caller(number, network.format(number + 1))
        caller.hello(place)
        caller.hear(place.answers()[:1])
        caller.hello(place)
    assert len(place) == MOST_OF_ONE
    assert place.counted["crowd"] >= 5
    Caller(900).hello(place)
    assert place.answers(), "others are told to prove their address, as before"


def test_a_link_that_ended_makes_room_and_its_packets_are_nobodys() -> None:
    place, caller = Place(), Caller(1)
    packets = [packet for packet, _ in caller.connection.transmits(1.0)]
    place.take(packets[0], caller.source)
    (link,) = place.listening
    place.listening.forget(link)
    assert len(place) == 0
    assert not place.listening.by_remote
    place.take(packets[0], caller.source)
    assert len(place) == 1, "a caller may begin anew"
    place.take(packets[0], caller.source)
    assert len(place) == 1, "a copy of a first packet belongs to the connection that it began"


def test_headers_that_end_too_early_are_none() -> None:
    whole = Caller(1).connection.transmits(1.0)[0][0]
    header = read_long(whole)
    assert header is not None
    assert header.initial
    for length in range(24):
        assert read_long(whole[:length]) is None

"""The worker's half of a link over a relay, over a real socket pair."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.transport import Buffers
from appliance.runtime.workers.data_channels import channel_pair
from appliance.testing.transport import handshake_packet
from appliance.testing.transport import record as numbered
from appliance.wire.envelope import FLAG_FRAGMENT, HEADER_BYTES, PacketType, pack
from appliance.worker.relayed import MAX_KEPT, Relayed

DATAGRAM = 65503


class End:
    """A driver over one end."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self.dropped: Counter[str] = Counter()
        self.buffers = Buffers(
            memoryview(bytearray(1 << 18)),
            memoryview(bytearray(1 << 19)),
            memoryview(bytearray(1 << 17)),
            lambda reason, number: self.dropped.update({reason: number}),
        )
        self.driver = Relayed(sock, {"datagram": DATAGRAM}, self.buffers)
        self.records: list[bytes] = []

    def send(self, one: bytes) -> bool:
        self.buffers.transmit[: len(one)] = one
        return self.driver.transmit(len(one) - HEADER_BYTES)

    def receive(self) -> bool:
        return self.driver.receive(self._take)

    def _take(self, header: bytes, body: memoryview, _room: memoryview, source: object) -> bool:
        assert source is None
        self.records.append(bytes(header) + bytes(body))
        return True


@pytest.fixture
def ends() -> Iterator[tuple[End, End]]:
    one, other = (End(sock) for sock in channel_pair())
    yield one, other
    one.driver.close()
    other.driver.close()


def record(body: bytes) -> bytes:
    return b"".join(numbered(1, body))


def longest(size: int, number: int = 1) -> bytes:
    """A record that is longer than one message."""
    body = random.Random(size).randbytes(size)
    return pack(PacketType.DATA, FLAG_FRAGMENT, 7 << 8, number << 8, 0, size) + body


@pytest.mark.parametrize("size", [1, 100, DATAGRAM - HEADER_BYTES])
def test_a_record_is_one_message(ends: tuple[End, End], size: int) -> None:
    a, b = ends
    one = record(random.Random(size).randbytes(size))
    assert a.send(one)
    b.receive()
    assert b.records == [one]


@pytest.mark.parametrize("size", [DATAGRAM - HEADER_BYTES + 1, 65535])
def test_a_longer_one_is_two(ends: tuple[End, End], size: int) -> None:
    a, b = ends
    assert a.send(longest(size))
    b.receive()
    assert b.records == [longest(size)]


def test_handshake_packets_go_as_they_are(ends: tuple[End, End]) -> None:
    a, b = ends
    packet = handshake_packet(1, b"hello" * 1000)
    a.driver.send_packet(packet, None)
    b.receive()
    assert b.records == [packet]


def test_a_half_that_is_lost_costs_its_record_only(ends: tuple[End, End]) -> None:
    a, b = ends
    wire = socket.socket(fileno=__import__("os").dup(a.driver.fileno()))
    with wire:
        parts = halves(longest(65535, 1))
        for message in (parts[0], *halves(longest(65535, 2)), parts[1]):
            wire.send(message)
    b.receive()
    assert b.records == [longest(65535, 2)]
    assert b.dropped == {"reassembly": 2}


def halves(one: bytes) -> list[bytes]:
    """What a driver makes of a record."""
    ours, theirs = channel_pair()
    end = End(ours)
    end.send(one)
    found = [theirs.recv(70000), theirs.recv(70000)]
    end.driver.close()
    theirs.close()
    return found


@given(messages=st.lists(st.binary(min_size=1, max_size=200), max_size=8))
def test_nothing_that_comes_raises(messages: list[bytes]) -> None:
    ours, theirs = channel_pair()
    end = End(ours)
    with theirs:
        for message in messages:
            theirs.send(message)
        for message in messages:
            theirs.send(pack(PacketType.DATA, FLAG_FRAGMENT, 7 << 8, len(message), 0, len(message)) + message)
        while end.receive() and sum(end.dropped.values()) + len(end.records) < 2 * len(messages) - 1:
            pass
    end.driver.close()


def test_a_full_socket_keeps_a_few_messages_and_says_so(ends: tuple[End, End]) -> None:
    a, b = ends
    sent = []
    while True:
        one = record(random.Random(len(sent)).randbytes(60000))
        sent.append(one)
        if not a.send(one):
            break
    for _ in range(MAX_KEPT):
        a.send(record(b"behind it"))
    assert a.dropped == {"congested": 1}
    sent += [record(b"behind it")] * (MAX_KEPT - 1)
    while not a.driver.flush() or len(b.records) < len(sent):
        b.receive()
    assert b.records == sent


def test_a_circuit_that_was_closed_is_over(ends: tuple[End, End]) -> None:
    a, b = ends
    a.send(record(b"the last word"))
    a.driver.close()
    assert not b.receive()
    assert b.records == [record(b"the last word")]
    assert b.send(record(b"too late"))
    assert b.dropped == {"unreachable": 1}

"""Records over a TCP stream: cut anywhere, congested, and not a stream of records at all."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.stream import Stream
from appliance.api.transport import Buffers


def record(body: bytes) -> bytes:
    return b"\x4c\x31\x01" + bytes(17) + len(body).to_bytes(2, "big") + b"\0\0" + body


class End:
    """A driver on a socket, with what it received."""

    def __init__(self, sock: socket.socket) -> None:
        self.dropped: Counter[str] = Counter()
        self.records: list[bytes] = []
        self.transmit = memoryview(bytearray(131200))
        buffers = Buffers(self.transmit, memoryview(bytearray(524288)), memoryview(bytearray(131072)), self._drop)
        sock.settimeout(0)
        self.driver = Stream(sock, {}, buffers)

    def _drop(self, reason: str, count: int) -> None:
        self.dropped[reason] += count

    def send(self, data: bytes) -> bool:
        self.transmit[: len(data)] = data
        return self.driver.transmit(len(data) - 24)

    def receive(self) -> bool:
        return self.driver.receive(self._sink)

    def _sink(self, header: bytes, body: bytes, room: memoryview, source: object) -> bool:
        self.records.append(bytes(header) + bytes(body))
        return True


@pytest.fixture
def ends() -> Iterator[tuple[End, End]]:
    a, b = socket.socketpair()
    one, other = End(a), End(b)
    yield one, other
    one.driver.close()
    other.driver.close()


def test_records_arrive_in_order(ends: tuple[End, End]) -> None:
    a, b = ends
    sent = [record(random.Random(size).randbytes(size)) for size in (0, 1, 1376, 20000, 65535)]
    for one in sent:
        a.send(one)
        b.receive()
    assert b.records == sent


@given(cuts=st.lists(st.integers(1, 400), max_size=40))
def test_a_stream_may_be_cut_anywhere(cuts: list[int]) -> None:
    a, b = socket.socketpair()
    end = End(b)
    sent = [record(bytes([n]) * (37 * n)) for n in range(8)]
    data = b"".join(sent)
    try:
        for cut in [*cuts, len(data)]:
            a.send(data[:cut])
            data = data[cut:]
            assert end.receive()
            if not data:
                break
    finally:
        a.close()
        end.driver.close()
    assert end.records == sent


def test_a_congested_link_keeps_whole_records_and_says_so(ends: tuple[End, End]) -> None:
    a, b = ends
    sent = []
    while True:
        one = record(random.Random(len(sent)).randbytes(60000))
        sent.append(one)
        if not a.send(one):
            break
    one = record(b"behind it")
    sent.append(one)
    assert not a.send(one)
    while not a.driver.flush() or len(b.records) < len(sent):
        b.receive()
    assert b.records == sent
    assert not a.dropped


def test_what_is_kept_is_bounded_and_never_half_a_record(ends: tuple[End, End]) -> None:
    a, b = ends
    sent = [record(bytes([n % 256]) * 60000) for n in range(150)]
    for one in sent:
        a.send(one)
    assert a.dropped["congested"] > 0
    while not a.driver.flush():
        b.receive()
    last = record(b"the end")
    a.send(last)
    while not a.driver.flush() or b.records[-1:] != [last]:
        b.receive()
    assert set(b.records) <= {*sent, last}


def test_a_closed_stream_is_over(ends: tuple[End, End]) -> None:
    a, b = ends
    a.driver.close()
    assert not b.receive()


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(100), b"\x16\x03\x01" + bytes(60)])
def test_another_protocol_ends_the_link(noise: bytes) -> None:
    a, b = socket.socketpair()
    end = End(b)
    a.send(noise)
    assert not end.receive()
    assert end.records == []
    assert end.dropped == {"malformed": 1}
    a.close()
    end.driver.close()

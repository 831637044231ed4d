"""How few system calls a record takes: the kernel cuts it (UDP_SEGMENT) and hands it over in one piece (UDP_GRO)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from appliance.api.datagrams.fragments import HEADER
from appliance.api.transport import Buffers
from appliance_transport_ip.datagram import SOL_UDP, UDP_GRO, Datagrams

DATAGRAM = 1372
PIECES = 46
"""Datagrams of this size that fit one send (64 KiB)."""


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
        for end in (a, b):
            end.bind(("127.0.0.1", 0))
            end.settimeout(0)
        a.connect(b.getsockname())
        b.connect(a.getsockname())
        yield a, b


def driver(sock: socket.socket, transmit: memoryview) -> Datagrams:
    def drop(reason: str, count: int) -> None:
        raise AssertionError(reason)

    buffers = Buffers(transmit, memoryview(bytearray(524288)), memoryview(bytearray(131072)), drop)
    return Datagrams(sock, {"datagram": DATAGRAM}, buffers)


def test_a_record_of_many_datagrams_leaves_and_arrives_as_one(ends: tuple[socket.socket, socket.socket]) -> None:
    a, b = ends
    transmit = memoryview(bytearray(131200))
    transmit[:HEADER] = bytes.fromhex("4c3101040000050000000000000001000000000000000000")
    sender = driver(a, transmit)
    length = PIECES * (DATAGRAM - HEADER)
    assert length <= sender.record_bytes
    b.setsockopt(SOL_UDP, UDP_GRO, 1)
    assert sender.transmit(length)
    data, ancillary, _, _ = b.recvmsg(65535, socket.CMSG_SPACE(4))
    assert len(data) == PIECES * DATAGRAM
    assert [int.from_bytes(value, "little") for level, _, value in ancillary if level == SOL_UDP] == [DATAGRAM]
    with pytest.raises(BlockingIOError):
        b.recv(65535)


def test_a_record_of_many_datagrams_is_taken_in_one_turn(ends: tuple[socket.socket, socket.socket]) -> None:
    a, b = ends
    transmit = memoryview(bytearray(131200))
    transmit[:HEADER] = bytes.fromhex("4c3101040000050000000000000001000000000000000000")
    sender, receiver = driver(a, transmit), driver(b, memoryview(bytearray(131200)))
    length = PIECES * (DATAGRAM - HEADER)
    transmit[20:22] = length.to_bytes(2, "big")
    taken: list[int] = []

    def sink(header: object, body: memoryview, room: memoryview, source: object) -> bool:
        taken.append(len(body))
        return True

    assert sender.transmit(length)
    assert receiver.receive(sink)
    assert taken == [length]

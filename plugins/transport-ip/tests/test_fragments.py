"""Cutting records into datagrams, and joining what the network did to them, over real sockets."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.datagrams import End, connected, crc16, datagrams, record

from appliance.api.datagrams.fragments import FRAGMENT, HEADER, Cutter


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["v4", "v6"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[End, End]]:
    a, b = map(End, connected(request.param))
    yield a, b
    a.driver.close()
    b.driver.close()


@pytest.fixture
def raw_and_end() -> Iterator[tuple[socket.socket, End]]:
    """A socket that sends single datagrams as it likes, and a driver at the far end."""
    sock, far = connected()
    end = End(far)
    yield sock, end
    sock.close()
    end.driver.close()


@pytest.mark.parametrize("size", [1377, 2752, 2753, 5000, 63296, 63297, 65535])
def test_a_cut_record_arrives_whole(ends: tuple[End, End], size: int) -> None:
    a, b = ends
    sent = record(1, random.Random(size).randbytes(size))
    assert a.send(sent)
    assert b.receive() == [sent]
    assert not b.dropped


def test_records_of_one_datagram_that_arrive_together_stay_apart(ends: tuple[End, End]) -> None:
    a, b = ends
    sent = [record(number, bytes([number]) * 500, fragment=False) for number in range(20)]
    for one in sent:
        a.send(one)
    while len(b.records) < len(sent):
        b.receive()
    assert b.records == sent


@given(size=st.integers(1449, 65535), datagram=st.sampled_from([548, 1252, 1400, 1472]))
def test_every_datagram_has_a_header_of_its_own_with_a_right_checksum(size: int, datagram: int) -> None:
    buffer = memoryview(bytearray(131200))
    whole = record(9, bytes(size))
    buffer[: len(whole)] = whole
    vector = Cutter(buffer, datagram).cut(size)
    data = b"".join(vector)
    pieces = [data[at : at + datagram] for at in range(0, len(data), datagram)]
    assert sum(len(piece) - HEADER for piece in pieces) == size
    for number, piece in enumerate(pieces):
        assert piece[15] == number
        assert bool(piece[3] & 8) == (number == len(pieces) - 1)
        assert int.from_bytes(piece[22:24], "big") == crc16(piece[:22])


def deliver(sock: socket.socket, end: End, pieces: list[bytes]) -> None:
    for piece in pieces:
        sock.send(piece)
        end.receive()


def test_fragments_may_come_in_any_order_and_twice(raw_and_end: tuple[socket.socket, End]) -> None:
    sock, end = raw_and_end
    wholes = [record(number, random.Random(number).randbytes(9000)) for number in range(4)]
    pieces = [piece for whole in wholes for piece in datagrams(whole)]
    random.Random(3).shuffle(pieces)
    deliver(sock, end, pieces + pieces[:1])
    assert sorted(end.records) == sorted(wholes)


def test_a_record_with_a_fragment_lost_is_given_up_when_room_is_needed(raw_and_end: tuple[socket.socket, End]) -> None:
    sock, end = raw_and_end
    for number in range(100):
        deliver(sock, end, datagrams(record(number, bytes(9000)))[:-1])
    assert end.records == []
    assert end.dropped["reassembly"] == 100 - 32
    whole = record(200, bytes(9000))
    deliver(sock, end, datagrams(whole))
    assert end.records == [whole]


@given(noise=st.lists(st.binary(max_size=1500), max_size=8))
def test_noise_is_dropped_without_a_word(noise: list[bytes]) -> None:
    sock, far = connected()
    end = End(far)
    try:
        deliver(sock, end, noise)
        deliver(sock, end, [b"\x4c\x31\x01\x04" + piece for piece in noise if len(piece) < 1400])
    finally:
        sock.close()
        end.driver.close()


@given(flips=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 23), st.integers(1, 255)), max_size=4))
def test_fragments_with_damaged_headers_never_make_a_wrong_record(flips: list[tuple[int, int, int]]) -> None:
    sock, far = connected()
    end = End(far)
    whole = record(1, random.Random(1).randbytes(9000))
    pieces = [bytearray(piece) for piece in datagrams(whole)]
    for piece, at, flip in flips:
        pieces[piece][at] ^= flip
    try:
        deliver(sock, end, [bytes(piece) for piece in pieces])
    finally:
        sock.close()
        end.driver.close()
    joined = [one for one in end.records if one[3] & FRAGMENT and len(one) == len(whole)]
    assert all(one == whole for one in joined if one[:24] == whole[:24])

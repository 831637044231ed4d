"""Trains of datagrams as UDP_GRO hands them over: usual ones, and all that can be wrong with one."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.datagrams import End, connected, datagrams, record

SOL_UDP, UDP_SEGMENT = 17, 103


@pytest.fixture
def raw_and_end() -> Iterator[tuple[socket.socket, End]]:
    """A socket that sends trains as it likes, and a driver at the far end that expects datagrams of 1,400 bytes."""
    sock, far = connected()
    end = End(far)
    yield sock, end
    sock.close()
    end.driver.close()


def send_train(sock: socket.socket, pieces: list[bytes]) -> None:
    """All at once, so that they arrive in one receive call. All but the last are equally long."""
    sock.setsockopt(SOL_UDP, UDP_SEGMENT, len(pieces[0]))
    sock.send(b"".join(pieces))


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("datagram", [60, 100, 548, 1252, 1400, 1472, 9000])
def test_datagrams_may_have_another_size_than_ones_own(raw_and_end: tuple[socket.socket, End], datagram: int) -> None:
    sock, end = raw_and_end
    sent = [record(number, noise(number, (datagram - 24) * 5 + 7)) for number in range(3)]
    for whole in sent:
        send_train(sock, datagrams(whole, datagram))
        end.receive()
    assert end.records == sent


def test_the_size_may_change_and_change_back(raw_and_end: tuple[socket.socket, End]) -> None:
    sock, end = raw_and_end
    sent = []
    for number, datagram in enumerate((1400, 900, 900, 1400, 548, 1400)):
        sent.append(record(number, noise(number, 20_000)))
        send_train(sock, datagrams(sent[-1], datagram))
        end.receive()
    assert end.records == sent


@pytest.mark.parametrize("lost", [0, 1, 7, 14])
def test_a_hole_in_a_train_is_filled_by_what_comes_later(raw_and_end: tuple[socket.socket, End], lost: int) -> None:
    sock, end = raw_and_end
    whole = record(5, noise(5, 20_000))
    pieces = datagrams(whole)
    late = pieces.pop(lost)
    send_train(sock, pieces)
    assert end.receive() == []
    send_train(sock, [late])
    assert end.receive() == [whole]


def test_datagrams_of_a_train_may_be_out_of_order(raw_and_end: tuple[socket.socket, End]) -> None:
    sock, end = raw_and_end
    whole = record(6, noise(6, 1376 * 12))
    pieces = datagrams(whole)
    random.Random(1).shuffle(pieces)
    send_train(sock, pieces)
    assert end.receive() == [whole]


def test_two_records_may_share_a_train(raw_and_end: tuple[socket.socket, End]) -> None:
    sock, end = raw_and_end
    sent = [record(number, noise(number, 1376 * 4)) for number in (1, 2)]
    send_train(sock, [piece for whole in sent for piece in datagrams(whole)])
    assert end.receive() == sent


def test_a_record_that_is_not_authentic_leaves_the_next_alone(raw_and_end: tuple[socket.socket, End]) -> None:
    sock, end = raw_and_end
    answers = iter((False, True))
    opened = []

    def sink(header: bytes, body: bytes, room: memoryview, source: object) -> bool:
        room[: len(body)] = bytes(len(body))
        opened.append(bytes(header) + bytes(body))
        return next(answers, True)

    whole = record(3, noise(3, 9000))
    send_train(sock, datagrams(whole))
    end.driver.receive(sink)
    assert opened[0] == whole
    assert set(opened) == {whole}
    following = record(4, noise(4, 9000))
    send_train(sock, datagrams(following))
    assert end.receive() == [following]


@given(pieces=st.lists(st.binary(min_size=30, max_size=30), min_size=1, max_size=60))
def test_noise_in_a_train_is_dropped_without_a_word(pieces: list[bytes]) -> None:
    sock, far = connected()
    end = End(far)
    try:
        send_train(sock, pieces)
        end.receive()
        whole = record(1, noise(1, 5000))
        send_train(sock, datagrams(whole))
        assert whole in end.receive()
    finally:
        sock.close()
        end.driver.close()


@given(flips=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 23), st.integers(0, 255)), max_size=4))
def test_no_header_of_a_train_makes_the_receiver_fail(flips: list[tuple[int, int, int]]) -> None:
    sock, far = connected()
    end = End(far)
    try:
        pieces = [bytearray(piece) for piece in datagrams(record(1, noise(1, 20_000)))]
        for number, at, value in flips:
            pieces[number][at] = value
        send_train(sock, [bytes(piece) for piece in pieces])
        end.receive()
        whole = record(2, noise(2, 20_000))
        send_train(sock, datagrams(whole))
        assert whole in end.receive()
    finally:
        sock.close()
        end.driver.close()

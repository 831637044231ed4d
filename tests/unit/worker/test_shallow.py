"""What the kernel holds of a link, with real sockets on the loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.worker.shallow import DATAGRAM_BYTES, UNSENT_BYTES, deepen, shorten

DEEP = 4 << 20


@pytest.fixture
def stream() -> Iterator[socket.socket]:
    """The sending end of a connection that nobody reads from."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sending = socket.socket()
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, DEEP)
        sending.connect(server.getsockname())
        receiving, _ = server.accept()
        with sending, receiving:
            sending.settimeout(0)
            yield sending


def fill(sock: socket.socket) -> int:
    """Bytes that it takes until it wants no more."""
    taken = 0
    while True:
        try:
            taken += sock.send(bytes(65536))
        except BlockingIOError:
            return taken


def unsent(sock: socket.socket) -> int:
    """SIOCOUTQNSD (tcp(7))."""
    import fcntl

    return int.from_bytes(fcntl.ioctl(sock.fileno(), 0x894B, bytes(4)), "little")


def test_a_stream_takes_little_beyond_what_is_under_way(stream: socket.socket) -> None:
    shorten(stream.fileno())
    fill(stream)
    assert UNSENT_BYTES <= unsent(stream) < UNSENT_BYTES + 65536


def test_a_stream_is_as_deep_as_before_when_that_is_over(stream: socket.socket) -> None:
    before = shorten(stream.fileno())
    fill(stream)
    deepen(stream.fileno(), before)
    assert fill(stream) > 0
    assert unsent(stream) > 2 * UNSENT_BYTES


def test_a_datagram_socket_has_a_short_buffer_for_a_while() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 400_000)
        deep = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        before = shorten(sock.fileno())
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * DATAGRAM_BYTES < deep
        deepen(sock.fileno(), before)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == deep


def test_what_is_no_socket_is_left_alone() -> None:
    """A transport of a stranger may have a pipe."""
    reading, writing = os.pipe()
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    deepen(writing, shorten(writing))
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    os.close(reading)
    os.close(writing)


def test_a_stream_to_a_process_that_carries_the_link_on_takes_little_and_as_much_as_before() -> None:
    sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with sending, receiving:
        sending.settimeout(0)
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, DATAGRAM_BYTES * 2)
        before = shorten(sending.fileno())
        shallow = fill(sending)
        receiving.recv(1 << 24)
        deepen(sending.fileno(), before)
        assert fill(sending) > 0
        assert shallow <= 2 * DATAGRAM_BYTES
        assert sending.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 4 * DATAGRAM_BYTES

"""User space copies no packet: it is sealed, sent, received and opened where it lies. The kernel's copies are its own.

Real drivers on real sockets; only the TUN is a buffer. Python's allocator tells of every object of a packet's size.
"""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from rigs.dataplane import NO_VNET, Host, pair
from rigs.packets import udp4

from appliance.api.stream import Stream
from appliance.api.transport import Buffers, Driver
from appliance.dataplane.inbound import Upward, compile_inbound
from appliance_transport_ip.datagram import Datagrams

ENTRY = NO_VNET + udp4(60_000)
"""As the TUN hands over a super-packet."""
SMALL = 8 << 10
"""Bytes: above what the slices and the vector of a record weigh, and well below a packet."""
ROUNDS = 10


class Path:
    """From a's TUN through both pipelines to b's, with a driver at each end."""

    def __init__(self, sending: Driver, receiving: Driver, a: Host, b: Host, receive: memoryview, plain: memoryview) -> None:
        self.sending, self.receiving, self.a, self.b = sending, receiving, a, b
        self.receive, self.plain = receive, plain
        self.written: list[object] = []
        self.sizes: list[int] = []
        quiet = Upward(*[lambda *_: None] * 8)
        self._sink = compile_inbound(b.world, self._write, b.outbound, quiet)(receiving)

    def _write(self, entry: memoryview) -> None:
        self.written.append(entry.obj)
        self.sizes.append(len(entry))

    def out(self) -> None:
        self.a.tun_in.append(ENTRY)
        self.a.outbound.pump()

    def into(self) -> None:
        expected = len(self.sizes) + 1
        while len(self.sizes) < expected:
            assert self.receiving.receive(self._sink)
        self.sending.flush()


def made(kind: type[Stream | Datagrams], ends: tuple[socket.socket, socket.socket]) -> Path:
    a, b, _, _ = pair()
    receive, plain = memoryview(bytearray(512 << 10)), memoryview(bytearray(128 << 10))
    options = {"datagram": 1372}
    for end in ends:
        end.settimeout(0)
    one = kind(ends[0], options, Buffers(a.tx, memoryview(bytearray(512 << 10)), memoryview(bytearray(128 << 10)), a.world.drop))
    other = kind(ends[1], options, Buffers(b.tx, receive, plain, b.world.drop))
    a.world.sessions[5].link, b.world.sessions[5].link = one, other
    return Path(one, other, a, b, receive, plain)


@pytest.fixture(params=["stream", "datagram"])
def path(request: pytest.FixtureRequest) -> Iterator[Path]:
    if request.param == "stream":
        ends = socket.socketpair()
        found = made(Stream, ends)
    else:
        ends = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for end in ends:
            end.bind(("127.0.0.1", 0))
        for end, other in (ends, ends[::-1]):
            end.connect(other.getsockname())
        found = made(Datagrams, ends)
    with ends[0], ends[1]:
        yield found


def test_sealing_and_sending_copy_no_packet(path: Path) -> None:
    assert most_allocated(path.out, path.into)[0] < SMALL


def test_what_arrives_is_opened_where_it_was_read(path: Path) -> None:
    assert most_allocated(path.out, path.into)[1] < SMALL
    assert {id(each) for each in path.written} <= {id(path.receive.obj), id(path.plain.obj)}, "slices of a shared buffer"
    assert set(path.sizes) == {len(ENTRY)}


def test_a_copy_would_be_noticed(path: Path) -> None:
    def copying() -> None:
        path.out()
        bytes(path.a.tx[:60_000])

    assert most_allocated(copying, path.into)[0] >= 60_000


def most_allocated(out: Callable[[], None], into: Callable[[], None]) -> tuple[int, int]:
    """Bytes by which memory grew at most, on the way out and on the way in, once all that stays is there."""
    most = [0, 0]
    for turn in range(ROUNDS):
        for number, deed in enumerate((out, into)):
            with growing() as grown:
                deed()
            if turn:
                most[number] = max(most[number], grown[0])
    return most[0], most[1]


@contextmanager
def growing() -> Iterator[list[int]]:
    found = [0]
    tracemalloc.start()
    try:
        yield found
        found[0] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

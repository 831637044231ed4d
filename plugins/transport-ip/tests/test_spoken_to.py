"""A listener with many addresses answers from the one that was called: the caller's connected socket is the judge."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from appliance.api.transport import Buffers, SocketAddress
from appliance_transport_ip.datagram import Datagrams
from appliance_transport_ip.spoken_to import IP_PKTINFO, MOST

CALLED = "127.0.0.5"
HANDSHAKE = bytes.fromhex("4c3103") + bytes(21)


class Listener:
    """A driver on a listening socket, and what came to it."""

    def __init__(self, host: str) -> None:
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.settimeout(0)
        self.dropped: Counter[str] = Counter()
        self.transmit, receive, plain = (memoryview(bytearray(1 << 17)) for _ in range(3))
        buffers = Buffers(self.transmit, receive, plain, lambda reason, count: self.dropped.update({reason: count}))
        self.driver = Datagrams(self.sock, {"datagram": 1400}, buffers)
        self.sources: list[SocketAddress] = []

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def receive(self) -> None:
        self.driver.receive(self._sink)

    def _sink(self, header: object, body: object, room: object, source: SocketAddress | None) -> bool:
        assert source is not None
        self.sources.append(source)
        return True


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener("0.0.0.0")
    yield made
    made.driver.close()


def called_at(listener: Listener, address: str) -> socket.socket:
    caller = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    caller.settimeout(60)
    caller.connect((address, listener.port))
    return caller


@pytest.mark.parametrize(("everywhere", "called"), [("0.0.0.0", CALLED), ("::", "::1")])
def test_packets_and_records_leave_from_the_address_that_was_called(everywhere: str, called: str) -> None:
    listener = Listener(everywhere)
    with called_at(listener, called) as caller:
        caller.send(HANDSHAKE)
        listener.receive()
        [source] = listener.sources
        assert listener.driver.local_of(source) == called
        listener.driver.send_packet(b"answer", source)
        assert caller.recv(100) == b"answer"
        for length in (100, 9000):
            listener.driver.transmit_to(length, source)
            assert len(caller.recv(2000)) == min(24 + length, 1400)
    listener.driver.close()


@pytest.mark.parametrize(("everywhere", "called"), [("0.0.0.0", CALLED), ("::", "::1")])
def test_an_address_that_another_process_heard_is_answered_from(everywhere: str, called: str) -> None:
    listener = Listener(everywhere)
    with called_at(listener, called) as caller:
        source: SocketAddress = caller.getsockname()[:2]
        listener.driver.reply_from(source, called)
        assert listener.driver.local_of(source) == called
        listener.driver.send_packet(b"answer", source)
        assert caller.recv(100) == b"answer"
    listener.driver.close()


def test_who_calls_another_address_is_answered_from_that(listener: Listener) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.settimeout(60)
        for called in (CALLED, "127.0.0.6"):
            caller.sendto(HANDSHAKE, (called, listener.port))
            listener.receive()
            listener.driver.send_packet(b"answer", listener.sources[-1])
            assert caller.recvfrom(100)[1][0] == called


def test_a_socket_with_one_address_needs_none_of_it() -> None:
    listener = Listener(CALLED)
    with called_at(listener, CALLED) as caller:
        caller.send(HANDSHAKE)
        listener.receive()
        assert listener.driver.local_of(listener.sources[0]) is None
        listener.driver.send_packet(b"answer", listener.sources[0])
        assert caller.recv(100) == b"answer"
    listener.driver.close()


@pytest.mark.parametrize("garbage", [b"", b"x", bytes(23)])
def test_what_is_no_packet_is_counted(listener: Listener, garbage: bytes) -> None:
    with called_at(listener, CALLED) as caller:
        caller.send(garbage)
        listener.receive()
    assert listener.dropped == {"malformed": 1}


def test_an_address_that_left_this_host_is_not_clung_to(listener: Listener) -> None:
    spoken_to = listener.driver._spoken_to
    assert spoken_to is not None
    with called_at(listener, CALLED) as caller:
        there: SocketAddress = caller.getsockname()
        for send in (lambda: listener.driver.send_packet(b"x", there), lambda: listener.driver.transmit_to(100, there)):
            spoken_to.heard(there, [told_of("192.0.2.99")])
            send()
            assert listener.driver.local_of(there) is None
        assert listener.dropped == {"unreachable": 2}
        assert listener.driver.whole_bytes == 1400 - 24, "nothing was learned about the path"


def test_strangers_do_not_fill_the_memory(listener: Listener) -> None:
    spoken_to = listener.driver._spoken_to
    assert spoken_to is not None
    for port in range(2 * MOST):
        spoken_to.heard(("192.0.2.1", port), [told_of(CALLED)])
    assert len(spoken_to._replies) == MOST
    assert spoken_to.of(("192.0.2.1", 2 * MOST - 1)) == CALLED
    assert spoken_to.of(("192.0.2.1", 0)) is None


def told_of(address: str) -> tuple[int, int, bytes]:
    """What the kernel says beside a datagram for `address`."""
    return socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=i4s4s", 1, socket.inet_aton(address), socket.inet_aton(address))

"""Two ends over a network in virtual time that loses, delays and reorders: qh3's core as we drive it, and the window we keep."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

import pytest
from qh3.quic.configuration import QuicConfiguration

from appliance_transport_quic.connection import Connection, KernelAddress
from appliance_transport_quic.tls import answering, calling
from appliance_transport_quic.trains import DATAGRAM, UDP_PAYLOAD

NEAR, FAR = ("192.0.2.1", 40000), ("192.0.2.2", 443)
SECONDS = 60.0
QUEUE_SECONDS = 0.05


class Wire:
    """A caller and who is called. `loss` is a share, `delay` seconds; `rate` bytes a second, with a queue of 50 ms before it."""

    def __init__(self, seed: int = 0, loss: float = 0.0, delay: float = 0.01, rate: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.loss, self.delay = loss, delay
        self.rate = rate
        self._free_at = {True: 0.0, False: 0.0}
        self.now = 1000.0
        self.near_address = NEAR
        self.caller = Connection(QuicConfiguration(is_client=True, server_name="localhost", **calling(None, verify=False)))
        self.caller.connect(FAR, self.now)
        self.called: Connection | None = None
        self.to_caller_bytes = self.to_called_bytes = 0
        self.longest = 0
        self.goes_to: set[KernelAddress] = set()
        self.sent_to: Counter[KernelAddress] = Counter()
        self._flying: list[tuple[float, int, Connection | None, bytes]] = []
        self._number = count()
        self._configuration = answering(None, None)

    def run(self, seconds: float) -> Iterator[float]:
        """Let time pass, and yield at each step."""
        until = self.now + seconds
        while self.now < until:
            self._send(self.caller)
            if self.called is not None:
                self._send(self.called)
            yield self.now
            self.now += 0.001
            while self._flying and self._flying[0][0] <= self.now:
                _, _, source, data = heappop(self._flying)
                self._arrive(source, data)
            for each in (self.caller, self.called):
                if each is not None and each.timer is not None and each.timer <= self.now:
                    each.handle_timer(self.now)

    def both_established(self) -> None:
        """Let time pass until they are."""
        for _ in self.run(SECONDS):
            if self.caller.established and self.called is not None and self.called.established:
                return
        raise AssertionError(f"{self.caller.ended} {self.caller.said}")

    def _send(self, source: Connection) -> None:
        for data, to in source.transmits(self.now):
            self.goes_to.add(to)
            self.sent_to[to] += len(data)
            self.longest = max(self.longest, len(data))
            if source is self.caller:
                self.to_called_bytes += len(data)
            else:
                self.to_caller_bytes += len(data)
            waits = max(0.0, self._free_at[source is self.caller] - self.now)
            if self.random.random() >= self.loss and waits <= QUEUE_SECONDS:
                late = self.delay * (1 + self.random.random())
                if self.rate:
                    late = waits + len(data) / self.rate + self.delay  # one behind the other, in their order
                    self._free_at[source is self.caller] = self.now + waits + len(data) / self.rate
                heappush(self._flying, (self.now + late, next(self._number), source, data))

    def _arrive(self, source: Connection | None, data: bytes) -> None:
        if source is not self.caller:
            self.caller.receive(data, len(data), FAR, self.now)
            return
        if self.called is None:
            self.called = Connection(self._configuration, data[6 : 6 + data[5]])
        self.called.receive(data, len(data), self.near_address, self.now)


@pytest.mark.parametrize("seed", range(24))
def test_full_datagrams_and_whatever_else_qh3_has_to_say_fit_into_packets(seed: int) -> None:
    loss = (0.0, 0.02, 0.1, 0.2)[seed % 4]
    wire = Wire(seed, loss)
    wire.both_established()
    assert wire.called is not None
    sent = 0
    for _ in wire.run(1.0):
        for each in (wire.caller, wire.called):
            if wire.random.random() < 0.3 and not each.pending:
                each.send([bytes(DATAGRAM)] * wire.random.randrange(1, 20))
                sent += 1
    assert sent > 20
    assert (wire.caller.ended, wire.called.ended) == ("", "")
    assert {len(each) for each in wire.called.inbox + wire.caller.inbox} == {DATAGRAM}
    assert wire.longest <= UDP_PAYLOAD


def test_what_the_window_has_no_room_for_waits_and_is_not_lost() -> None:
    wire = Wire(delay=0.05)
    wire.both_established()
    assert wire.called is not None
    before = wire.to_called_bytes
    wire.caller.send([number.to_bytes(2) * 500 for number in range(200)])
    steps = wire.run(SECONDS)
    next(steps)
    assert wire.to_called_bytes - before < 20 * UDP_PAYLOAD, "before anything is acknowledged"
    assert len(wire.caller.pending) > 150
    for _ in steps:
        if len(wire.called.inbox) == 200:
            break
    assert sorted(each[:2] for each in wire.called.inbox) == [number.to_bytes(2) for number in range(200)]
    assert not wire.caller.pending


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05])
def test_a_line_carries_most_of_what_it_can_although_it_loses_packets(loss: float) -> None:
    wire = Wire(7, loss, rate=2_000_000.0)
    wire.both_established()
    assert wire.called is not None
    came = 0
    for _ in wire.run(3.0):
        while len(wire.caller.pending) < 100:
            wire.caller.send([b"L1".ljust(DATAGRAM)])
        came += sum(map(len, wire.called.inbox))
        wire.called.inbox.clear()
    assert came > 0.6 * 3.0 * wire.rate


def test_who_is_called_sends_three_times_what_came_until_the_address_is_proved() -> None:
    wire = Wire()
    steps = wire.run(SECONDS)
    while wire.called is None:
        next(steps)
    silent = wire.to_called_bytes
    wire.to_caller_bytes = 0
    wire.loss = 1.0
    for _ in wire.run(8.0):
        pass
    assert 0 < wire.to_caller_bytes <= 3 * silent


def test_a_caller_whose_address_changes_is_believed_when_it_has_proved_the_new_one() -> None:
    wire = Wire()
    wire.both_established()
    assert wire.called is not None
    wire.near_address = ("198.51.100.9", 1)
    wire.caller.send([b"L1 from elsewhere"])
    for _ in wire.run(1.0):
        pass
    assert wire.called.inbox == [b"L1 from elsewhere"]
    wire.goes_to.clear()
    wire.called.send([b"L1 answer"])
    for _ in wire.run(1.0):
        pass
    assert wire.caller.inbox == [b"L1 answer"]
    assert wire.goes_to == {("198.51.100.9", 1), FAR}


def test_who_sends_a_copy_of_a_packet_from_elsewhere_steals_no_connection() -> None:
    wire = Wire()
    wire.both_established()
    assert wire.called is not None
    thief = ("203.0.113.66", 6)
    wire.caller.send([b"L1 seen on the way"])
    for data, _ in wire.caller.transmits(wire.now):
        wire.called.receive(data, len(data), thief, wire.now)  # before the original, which is lost
    for step in wire.run(20.0):
        if not int(step * 1000) % 500:
            wire.called.send([b"L1".ljust(1000)])
            wire.caller.send([b"L1 I am here"])
    to_thief = wire.sent_to[thief]
    wire.goes_to.clear()
    wire.called.send([b"L1 for the caller"])
    for _ in wire.run(1.0):
        pass
    assert b"L1 for the caller" in wire.caller.inbox
    assert wire.goes_to == {NEAR, FAR}
    assert to_thief <= 3 * 1300, "three times what came from there, until it is proved"
    assert not wire.called.ended


def test_http_3_gets_an_end_without_an_error() -> None:
    wire = Wire()
    wire.both_established()
    assert wire.called is not None
    wire.caller._quic.send_stream_data(2, b"\x00\x04\x00")  # a control stream with empty settings (RFC 9114, section 6.2.1)
    for _ in wire.run(SECONDS):
        if wire.caller.ended:
            break
    assert wire.called.ended == "foreign"
    assert wire.caller.ended == "closed"


def test_noise_ends_nothing_that_is_established() -> None:
    wire = Wire()
    wire.both_established()
    assert wire.called is not None
    for size in (0, 1, 9, 20, 1200):
        for first in (0x00, 0x40, 0xC0, 0xFF):
            noise = bytes([first]) + wire.random.randbytes(size)
            wire.called.receive(noise, len(noise), NEAR, wire.now)
    wire.caller.send([b"L1 still here"])
    for _ in wire.run(1.0):
        pass
    assert wire.called.inbox == [b"L1 still here"]

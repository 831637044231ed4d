"""CoDel and the bucket, in virtual time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw, raw

from appliance.dataplane.classes import BULK, INTERACTIVE, NORMAL
from appliance.dataplane.queueing import INTERVAL, LARGEST, TARGET, Lane, Queue, congestion_experienced

START = 1000.0
SIZE = 1500
PLAIN = bytes(10) + bytes([0x45]) + bytes(SIZE - 11)


class Served:
    """A queue that gets and gives packets at steady rates; what waits how long, and what is lost."""

    def __init__(self, kind: int = NORMAL) -> None:
        self.lane = Lane(None)
        self.queue = self.lane.queues[kind]
        self.lost: dict[str, int] = {}
        self.waits: list[float] = []
        self.sent: list[bytes] = []

    def lose(self, _queue: Queue, reason: str, packets: int) -> None:
        self.lost[reason] = self.lost.get(reason, 0) + packets

    def run(self, seconds: float, put_every: float, take_every: float, entry: bytes = PLAIN) -> int:
        now = put_at = take_at = START
        put = 0
        while now < START + seconds:
            now = min(put_at, take_at)
            if put_at <= now:
                self.queue.put(entry, now)
                put += 1
                put_at += put_every
            if take_at <= now:
                taken = self.queue.take(now, self.lose)
                if taken is not None:
                    self.waits.append(now - self.queue.since)
                    self.sent.append(bytes(taken))
                take_at += take_every
        return put


def test_a_queue_that_is_short_enough_loses_nothing() -> None:
    served = Served()
    assert served.run(3, 0.0011, 0.001) == len(served.sent) + len(served.queue.entries)
    assert served.lost == {}


def test_a_burst_that_is_gone_within_the_interval_loses_nothing() -> None:
    served = Served()
    for _ in range(80):
        served.queue.put(PLAIN, START)
    times = [START + 0.001 * number for number in range(80)]
    assert all(served.queue.take(now, served.lose) for now in times)
    assert times[-1] - START > 10 * TARGET
    assert served.lost == {}


def test_a_queue_that_stays_long_is_brought_back_to_the_target() -> None:
    served = Served()
    backlog = 200
    for _ in range(backlog):
        served.queue.put(PLAIN, START)
    put = served.run(20, 0.001, 0.001)
    assert served.waits[60] > 10 * TARGET
    assert max(served.waits[-5000:]) < TARGET + 50 * 0.001, "LARGEST bytes may always wait, 44 packets of these"
    assert served.lost["aged"] == put + backlog - len(served.sent) - len(served.queue.entries), "nothing is lost uncounted"


def test_dropping_becomes_more_frequent_until_the_queue_is_short() -> None:
    """RFC 8289, 5.3: the n-th drop is INTERVAL / sqrt(n) behind the one before."""
    served = Served()
    dropped_at: list[float] = []
    for _ in range(100_000):
        served.queue.put(PLAIN, START)
    for number in range(2000):
        now = START + 1 + number * 0.001
        before = served.lost.get("aged", 0)
        served.queue.take(now, served.lose)
        dropped_at += [now] * (served.lost.get("aged", 0) - before)
    gaps = [b - a for a, b in pairwise(dropped_at)]
    assert gaps[0] == pytest.approx(INTERVAL, abs=0.002)
    for number in (2, 5, 20):
        assert gaps[number - 1] == pytest.approx(INTERVAL / number**0.5, abs=0.002)


def test_no_more_than_one_large_packet_is_never_too_much() -> None:
    served = Served()
    for number in range(20):
        served.queue.put(bytes(LARGEST), START + number)
        assert served.queue.take(START + number + 0.9, served.lose)
    assert served.lost == {}


def test_the_interactive_class_does_not_age() -> None:
    served = Served(INTERACTIVE)
    for _ in range(200):
        served.queue.put(PLAIN, START)
    served.run(3, 0.001, 0.001)
    assert served.lost == {}


def marked_forms(packet: bytes) -> tuple[bytes, bytes | None]:
    marked = congestion_experienced(bytes(10) + packet)
    return packet, None if marked is None else marked[10:]


@pytest.mark.parametrize("tos", [1, 2, 0xB9, 0xFE, 3])
def test_a_mark_is_what_a_router_makes_of_the_header(tos: int) -> None:
    for number in range(500):
        packet, marked = marked_forms(raw(IP(src="10.8.0.1", dst="10.8.0.2", id=number * 131, tos=tos) / UDP() / Raw(b"x")))
        assert marked == raw(IP(src="10.8.0.1", dst="10.8.0.2", id=number * 131, tos=tos | 3) / UDP() / Raw(b"x")), packet.hex()
    _, marked = marked_forms(raw(IPv6(src="fd00::1", dst="fd00::2", tc=tos, fl=0x12345) / UDP() / Raw(b"x")))
    assert marked == raw(IPv6(src="fd00::1", dst="fd00::2", tc=tos | 3, fl=0x12345) / UDP() / Raw(b"x"))


@pytest.mark.parametrize("packet", [IP(tos=0xB8) / UDP(), IPv6(tc=0xB8) / UDP()])
def test_a_sender_that_does_not_understand_marks_gets_none(packet: IP) -> None:
    assert marked_forms(raw(packet))[1] is None


def test_where_the_sender_understands_it_packets_are_marked_and_not_dropped() -> None:
    served = Served(BULK)
    ect = bytes(10) + raw(IP(tos=2) / UDP() / Raw(bytes(SIZE)))
    for _ in range(300):
        served.queue.put(ect, START)
    put = served.run(3, 0.001, 0.001, ect)
    assert set(served.lost) == {"marked"}
    assert put + 300 == len(served.sent) + len(served.queue.entries)
    assert sum(entry[11] & 3 == 3 for entry in served.sent) == served.lost["marked"] > 10


RATE = 1_250_000


def test_a_bucket_keeps_the_rate() -> None:
    lane = Lane(None, RATE, START)
    now, sent = START, 0
    while now < START + 10:
        if lane.wait(NORMAL, now) <= 0:
            lane.pay(SIZE)
            sent += SIZE
        else:
            now += lane.wait(NORMAL, now) + 1e-6
    assert sent == pytest.approx(10 * RATE, rel=0.01)


def test_a_late_wake_up_of_some_milliseconds_loses_no_rate() -> None:
    lane = Lane(None, RATE, START)
    sent = 0
    for tick in range(1000):
        now = START + 0.008 * tick
        while lane.wait(NORMAL, now) <= 0:
            lane.pay(SIZE)
            sent += SIZE
    assert sent == pytest.approx(8 * RATE, rel=0.02)


def test_interactive_packets_need_not_wait_until_a_large_one_is_paid() -> None:
    lane = Lane(None, RATE, START)
    lane.pay(lane.burst + LARGEST - SIZE)
    assert lane.wait(BULK, START) == pytest.approx((LARGEST - SIZE) / RATE, rel=0.01)
    assert lane.wait(INTERACTIVE, START) <= 0
    lane.pay(SIZE + lane.burst)
    assert lane.wait(INTERACTIVE, START) > 0, "but they have a rate as well"


def test_a_rate_can_change_and_go() -> None:
    lane = Lane(None, RATE, START)
    lane.pay(10 * RATE)
    lane.limit(RATE // 2, START)
    assert lane.wait(NORMAL, START) <= 0, "a new bucket is full"
    assert lane.piece == RATE // 2 // 500
    lane.limit(0, START)
    assert (lane.rate, lane.piece, lane.target) == (0, LARGEST, TARGET)


def test_a_slow_line_may_take_as_long_as_its_packets_do() -> None:
    assert Lane(None, 8000).target == pytest.approx(1.5 * 1500 / 8000)

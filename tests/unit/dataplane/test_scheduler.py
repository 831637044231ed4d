"""The order in which packets go, in virtual time: a line of some rate takes what the scheduler gives."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.dataplane.classes import BULK, INTERACTIVE, NORMAL
from appliance.dataplane.queueing import Lane, Queue
from appliance.dataplane.scheduler import QUANTUM, SLACK, Limits, Scheduler

START = 1000.0
WIDE = Limits(1 << 40, 1 << 40, 1 << 50)


class Line:
    """A scheduler with some peers, and what became of each entry. Entries begin with a number, so each is its own."""

    def __init__(self, limits: Limits = WIDE, peers: int = 1, rate: int = 0) -> None:
        self.lost: Counter[tuple[str, int, str]] = Counter()
        self.scheduler = Scheduler(limits, self._lose)
        self.lanes = [Lane(name, rate, START) for name in "abcdefgh"[:peers]]
        self.sent: list[tuple[str, int, bytes]] = []
        self.put = 0

    def _lose(self, queue: Queue, reason: str, packets: int) -> None:
        self.lost[str(queue.lane.owner), queue.kind, reason] += packets

    def enqueue(self, lane: int, kind: int, size: int, now: float = START) -> None:
        self.put += 1
        self.scheduler.enqueue(self.lanes[lane].queues[kind], self.put.to_bytes(10, "big").ljust(size, b"\0"), now)

    def dequeue(self, now: float = START) -> bool:
        taken = self.scheduler.dequeue(now)
        if taken is None:
            return False
        queue, entry = taken
        self.sent.append((str(queue.lane.owner), queue.kind, bytes(entry)))
        return True

    def check(self, limits: Limits) -> None:
        """What the queues say of themselves is so, and within bounds."""
        queues = [queue for lane in self.lanes for queue in lane.queues]
        assert all(queue.bytes == sum(len(entry) for _, entry in queue.entries) for queue in queues)
        assert all(queue.bytes <= limits.queue_bytes and len(queue.entries) <= limits.queue_packets for queue in queues)
        assert all(sum(q.bytes for q in queues if q.kind == kind) == self.scheduler.queued[kind] for kind in range(3))
        assert sum(self.scheduler.queued) <= limits.total_bytes

    def finish(self, now: float) -> None:
        """Wait until nothing waits any more."""
        while (wait := self.scheduler.wait(now)) is not None:
            now += wait + 1e-6
            self.dequeue(now)
        assert self.waiting == 0

    def bytes_of(self) -> Counter[tuple[str, int]]:
        found: Counter[tuple[str, int]] = Counter()
        for name, kind, entry in self.sent:
            found[name, kind] += len(entry)
        return found

    @property
    def lost_packets(self) -> int:
        return sum(self.lost.values())

    @property
    def waiting(self) -> int:
        return sum(len(queue.entries) for lane in self.lanes for queue in lane.queues)


def test_the_interactive_class_goes_first() -> None:
    line = Line(peers=2)
    for _ in range(20):
        line.enqueue(0, BULK, 60000)
        line.enqueue(0, NORMAL, 1500)
    for _ in range(3):
        line.dequeue()
    line.enqueue(1, INTERACTIVE, 200)
    line.enqueue(0, INTERACTIVE, 200)
    line.dequeue()
    line.dequeue()
    assert [(name, kind) for name, kind, _ in line.sent[-2:]] == [("b", INTERACTIVE), ("a", INTERACTIVE)]


def test_a_flood_of_interactive_packets_leaves_half_to_the_others() -> None:
    line = Line()
    for _ in range(4000):
        line.enqueue(0, INTERACTIVE, 1500)
        line.enqueue(0, NORMAL, 1500)
    for _ in range(4000):
        line.dequeue()
    sent = line.bytes_of()
    assert abs(sent["a", INTERACTIVE] - sent["a", NORMAL]) <= SLACK + 1500
    first = [kind for _, kind, _ in line.sent[: SLACK // 1500]]
    assert set(first) == {INTERACTIVE}, "a burst of it is served at once"


def test_when_nobody_else_waits_the_interactive_class_has_it_all() -> None:
    line = Line()
    for _ in range(1000):
        line.enqueue(0, INTERACTIVE, 1500)
    while line.dequeue():
        pass
    line.enqueue(0, BULK, 1500)
    line.enqueue(0, INTERACTIVE, 1500)
    line.dequeue()
    assert line.sent[-1][1] == INTERACTIVE, "and that is not held against it"


def test_classes_share_by_weight_and_peers_within_a_class_equally() -> None:
    line = Line(WIDE._replace(weights=(4, 1)), peers=3)
    for _ in range(6000):
        line.enqueue(0, NORMAL, 1000)
        line.enqueue(1, NORMAL, 1000)
        line.enqueue(1, BULK, 1000)
        line.enqueue(2, BULK, 1000)
    for _ in range(12000):
        line.dequeue()
    sent, total = line.bytes_of(), 12_000_000
    assert sent["a", NORMAL] == pytest.approx(0.4 * total, abs=3 * QUANTUM)
    assert sent["b", NORMAL] == pytest.approx(0.4 * total, abs=3 * QUANTUM)
    assert sent["b", BULK] == pytest.approx(0.1 * total, abs=3 * QUANTUM)
    assert sent["c", BULK] == pytest.approx(0.1 * total, abs=3 * QUANTUM)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(60, 65545), min_size=2, max_size=6))
def test_peers_share_by_bytes_whatever_their_packets(sizes: list[int]) -> None:
    """Within a quantum and a packet, at every moment (Shreedhar and Varghese, lemma 2)."""
    line = Line(peers=len(sizes))
    for index, size in enumerate(sizes):
        for _ in range(12 * QUANTUM // size):
            line.enqueue(index, NORMAL, size)
    shares: Counter[str] = Counter()
    for _ in range(sum(8 * QUANTUM // size for size in sizes)):
        assert line.dequeue()
        name, _, entry = line.sent[-1]
        shares[name] += len(entry)
        if all(queue.active for queue in (lane.queues[NORMAL] for lane in line.lanes)):
            least = min(shares[str(lane.owner)] for lane in line.lanes)
            assert max(shares.values()) - least <= 3 * QUANTUM


operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 3), st.integers(0, 2), st.integers(40, 65545)),
        st.tuples(st.just("take"), st.integers(1, 12)),
        st.tuples(st.just("pass"), st.floats(0.0001, 0.3)),
        st.tuples(st.just("back")),
        st.tuples(st.just("resume")),
    ),
    max_size=200,
)


@settings(max_examples=150, deadline=None)
@given(operations=operations, rate=st.sampled_from([0, 100_000, 10_000_000]))
def test_whatever_happens_nothing_is_lost_uncounted_nor_out_of_order(operations: list[tuple], rate: int) -> None:
    limits = Limits(300_000, 20, 800_000)
    line = Line(limits, peers=4, rate=rate)
    now = START
    for verb, *arguments in operations:
        if verb == "put":
            line.enqueue(*arguments, now)
        elif verb == "take":
            for _ in range(arguments[0]):
                line.dequeue(now)
        elif verb == "pass":
            now += arguments[0]
        elif verb == "back":
            taken = line.scheduler.dequeue(now)
            if taken is not None:
                line.scheduler.put_back(*taken)
        else:
            line.scheduler.resume()
        line.check(limits)
    assert line.put == len(line.sent) + line.waiting + line.lost_packets
    line.scheduler.resume()
    line.finish(now)
    assert line.put == len(line.sent) + line.lost_packets
    for lane in line.lanes:
        for kind in range(3):
            numbers = [entry[:10] for name, k, entry in line.sent if (name, k) == (lane.owner, kind)]
            assert numbers == sorted(numbers), "first in, first out"


def test_a_peer_above_its_rate_waits_and_the_others_do_not() -> None:
    line = Line(peers=2)
    line.lanes[0].limit(1_000_000, START)
    for _ in range(5000):
        line.enqueue(0, NORMAL, 1000)
        line.enqueue(1, NORMAL, 1000)
    for tick in range(1000):
        for _ in range(10):
            line.dequeue(START + tick / 1000)
    sent = line.bytes_of()
    assert sent["a", NORMAL] == pytest.approx(1_000_000, rel=0.03)
    assert sent["b", NORMAL] + 1000 * line.lost["b", NORMAL, "aged"] == 5_000_000


def test_when_only_peers_above_their_rate_wait_it_is_known_until_when() -> None:
    line = Line(rate=1_000_000)
    for _ in range(100):
        line.enqueue(0, NORMAL, 1000)
    while line.dequeue():
        pass
    wait = line.scheduler.wait(START)
    assert wait is not None
    assert 0 < wait < 0.01
    assert not line.dequeue(START + wait / 2)
    assert line.dequeue(START + wait + 1e-6)


def test_without_anything_there_is_nothing_to_wait_for() -> None:
    line = Line()
    assert line.scheduler.wait(START) is None
    line.enqueue(0, NORMAL, 100)
    assert line.scheduler.wait(START) == 0


def test_what_was_put_back_is_first_when_its_link_is_clear() -> None:
    line = Line(peers=2)
    for index in (0, 0, 1):
        line.enqueue(index, NORMAL, 100)
    taken = line.scheduler.dequeue(START)
    assert taken is not None
    line.scheduler.put_back(*taken)
    assert line.dequeue()
    assert line.sent[-1][0] == "b", "the others go on"
    assert not line.dequeue()
    line.scheduler.resume()
    assert line.dequeue()
    assert line.sent[-1][2] == taken[1]


def test_a_full_queue_takes_no_more() -> None:
    line = Line(Limits(10_000, 5, 1 << 30))
    for _ in range(7):
        line.enqueue(0, BULK, 1000)
    line.enqueue(0, NORMAL, 10_001)
    assert line.lost == {("a", BULK, "queue_full"): 2, ("a", NORMAL, "queue_full"): 1}


def test_when_all_together_is_too_much_the_longest_is_halved() -> None:
    line = Line(Limits(1 << 30, 1 << 30, 100_000), peers=2)
    for _ in range(80):
        line.enqueue(0, BULK, 1000)
    for _ in range(21):
        line.enqueue(1, NORMAL, 1000)
    assert line.lost == {("a", BULK, "queue_full"): 40}
    line.dequeue()
    assert sum(line.scheduler.queued) == 60_000


def test_draining_gives_everything_in_order() -> None:
    line = Line(peers=2, rate=1_000_000)
    for _ in range(40):
        line.enqueue(0, NORMAL, 1000)
        line.enqueue(1, BULK, 1000)
    while line.dequeue():
        pass
    rest = [(queue.lane.owner, entry[:10]) for queue, entry in line.scheduler.drain()]
    assert len(rest) + len(line.sent) == 80
    for name in "ab":
        numbers = [number for owner, number in rest if owner == name]
        assert numbers == sorted(numbers)
    assert line.scheduler.wait(START + 10) is None
    assert line.waiting == 0

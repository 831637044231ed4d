"""The search for the longest datagram of a path, alone in virtual time and between two nodes."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.protocol.events import SendProbe, Shape
from appliance.protocol.pathmtu import (
    BASE_BYTES,
    CONFIRM_SECONDS,
    GRAIN_BYTES,
    LEAST_BYTES,
    RAISE_SECONDS,
    PathMtu,
    PathState,
)
from appliance.testing.network import IP_UDP_BYTES, Network
from appliance.testing.pair import Pair
from appliance.testing.simulated_host import SimulatedHost

START = 1000.0


class Path:
    """A machine on a path that passes datagrams of up to `passes` bytes and answers after `rtt` seconds."""

    def __init__(self, base: int, passes: int, *, limit: int = 1400, proven: bool = True, rtt: float = 0.02) -> None:
        tokens = count(1)
        self.passes = passes
        self.rtt = rtt
        self.now = START
        self.probes: list[int] = []
        self.answers: list[tuple[float, int]] = []
        self.machine = PathMtu(base, limit, lambda: next(tokens), self.now, proven=proven)
        self.deliver()

    def deliver(self) -> None:
        while (probe := self.machine.poll_probe()) is not None:
            self.probes.append(probe.datagram)
            if probe.datagram <= self.passes:
                self.answers.append((self.now + self.rtt, probe.token))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            answer = min(self.answers, default=(end + 1, 0))
            timeout = self.machine.poll_timeout() or end + 1
            if min(answer[0], timeout) > end:
                self.now = end
                return
            self.now = min(answer[0], timeout)
            if answer[0] <= timeout:
                self.answers.remove(answer)
                assert self.machine.handle_ack(answer[1], self.now)
            else:
                self.machine.handle_timeout(self.now)
                due = self.machine.poll_timeout()
                assert due is None or due > self.now, "time stands still"
            self.deliver()


def test_a_path_that_took_the_handshake_at_its_limit_is_not_probed() -> None:
    path = Path(1400, 1400)
    assert (path.machine.size, path.machine.state, path.probes) == (1400, PathState.SEARCH_COMPLETE, [])
    path.run(CONFIRM_SECONDS + 1)
    assert [size for size in path.probes if size] == [1400]


def test_one_probe_suffices_where_the_limit_passes() -> None:
    path = Path(548, 1400)
    path.run(0.1)
    assert (path.machine.size, path.machine.state) == (1400, PathState.SEARCH_COMPLETE)
    assert [size for size in path.probes if size] == [1400]


@given(base=st.integers(LEAST_BYTES, 1400), extra=st.integers(0, 900), limit=st.integers(LEAST_BYTES, 1472))
def test_the_search_ends_just_below_what_passes(base: int, extra: int, limit: int) -> None:
    base = min(base, limit)
    path = Path(base, base + extra, limit=limit)
    path.run(29.0)
    best = min(base + extra, limit)
    assert path.machine.state is PathState.SEARCH_COMPLETE
    assert best - GRAIN_BYTES < path.machine.size <= best


@given(before=st.integers(LEAST_BYTES, 1400), after=st.integers(LEAST_BYTES, 1400))
def test_a_path_that_changes_is_followed(before: int, after: int) -> None:
    path = Path(LEAST_BYTES, before)
    path.run(60.0)
    path.passes = after
    path.run(2 * RAISE_SECONDS)
    assert after - GRAIN_BYTES < path.machine.size <= after
    assert path.machine.state is PathState.SEARCH_COMPLETE


def test_a_black_hole_is_left_within_seconds_of_the_suspicion() -> None:
    path = Path(1400, 1400)
    path.run(5.0)
    path.passes = 600
    path.machine.handle_suspicion(path.now)
    path.deliver()
    path.run(2.0)
    assert path.machine.size == BASE_BYTES
    path.run(2.0)
    assert path.machine.size == LEAST_BYTES
    path.run(10.0)
    assert 600 - GRAIN_BYTES < path.machine.size <= 600


def test_a_path_that_is_dead_says_nothing_about_sizes() -> None:
    path = Path(1400, 1400)
    path.run(5.0)
    path.passes = -1
    path.run(120.0)
    assert path.machine.size == 1400
    path.passes = 1400
    path.run(60.0)
    assert (path.machine.size, path.machine.state) == (1400, PathState.SEARCH_COMPLETE)


def test_a_path_nobody_tried_is_confirmed_first_and_may_fail() -> None:
    path = Path(BASE_BYTES, 1000, proven=False)
    assert path.machine.state is PathState.BASE
    path.run(14.0)
    assert 1000 - GRAIN_BYTES < path.machine.size <= 1000


def test_less_than_the_least_is_an_error_that_passes() -> None:
    path = Path(LEAST_BYTES, 1400)
    path.run(1.0)
    path.passes = 100
    path.machine.handle_suspicion(path.now)
    path.deliver()
    path.run(60.0)
    assert (path.machine.size, path.machine.state) == (LEAST_BYTES, PathState.ERROR)
    path.passes = 1400
    path.run(RAISE_SECONDS + 60)
    assert (path.machine.size, path.machine.state) == (1400, PathState.SEARCH_COMPLETE)


def test_the_kernels_word_counts_at_once_and_not_for_ever() -> None:
    path = Path(1400, 1400)
    path.machine.handle_limit(1252, path.now)
    path.deliver()
    assert path.machine.size == 1252
    path.run(RAISE_SECONDS - 1)
    assert path.machine.size == 1252
    path.run(CONFIRM_SECONDS + 3)
    assert path.machine.size == 1400


def test_answers_to_others_are_not_ours() -> None:
    assert not Path(1400, 1400).machine.handle_ack(999, START)


# ---- two nodes ----


def shapes(host: SimulatedHost) -> list[int]:
    return [event.datagram for event in host.events if isinstance(event, Shape)]


@pytest.mark.parametrize("mtu", [1280, 1124, 576])
def test_nodes_meet_through_a_black_hole_and_find_what_passes(mtu: int) -> None:
    network = Network(mtu=mtu)
    begun = network.now
    pair = Pair(network, adapts=True).connect()
    assert network.now - begun < 3.0
    network.run(15.0)
    best = mtu - IP_UDP_BYTES
    session = pair.session("a")
    size, state = pair.a.node.path(session)
    assert best - GRAIN_BYTES < size <= best
    assert state == PathState.SEARCH_COMPLETE
    assert max(shapes(pair.a)) <= best
    assert max(shapes(pair.b)) <= min(best, BASE_BYTES), "several peers share that socket"
    assert not any(isinstance(event, SendProbe) for event in pair.b.events)


def test_a_path_that_carries_everything_costs_nothing() -> None:
    pair = Pair(adapts=True).connect()
    pair.network.run(20.0)
    assert pair.a.node.counters["path-probed"] == pair.a.node.counters["cut-smaller"] == 0
    assert pair.a.node.path(pair.session("a")) == (1400, PathState.SEARCH_COMPLETE)
    assert shapes(pair.a) == [1400]


def test_what_was_found_is_where_the_next_attempt_begins() -> None:
    network = Network(mtu=1280)
    pair = Pair(network, adapts=True, keepalive=1.0, a={"idle": 3.0}).connect()
    network.run(15.0)
    pair.b.kill()
    network.run(10.0)
    cut = pair.a.node.counters["cut-smaller"]
    assert not pair.a.node.sessions
    pair.b = pair.start("b")
    assert network.run_until(pair.connected, 10.0)
    assert pair.a.node.counters["cut-smaller"] - cut <= 1
    assert max(shapes(pair.a)) <= 1280 - IP_UDP_BYTES


def test_a_session_outlives_a_black_hole_that_opens_under_it() -> None:
    network = Network()
    pair = Pair(network, adapts=True, keepalive=1.0).connect()
    network.run(5.0)
    session = pair.session("a").session_id
    network.mtu = 1000
    pair.a.node.handle_unanswered(pair.session("a").index, network.now)
    pair.a.pump()
    network.run(20.0)
    size, state = pair.a.node.path(pair.session("a"))
    assert pair.session("a").session_id == session
    assert 1000 - IP_UDP_BYTES - GRAIN_BYTES < size <= 1000 - IP_UDP_BYTES
    assert state == PathState.SEARCH_COMPLETE


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_loss_is_no_black_hole(seed: int) -> None:
    network = Network(seed, loss=0.05, jitter=0.01)
    pair = Pair(network, adapts=True).connect()
    network.run(300.0)
    assert pair.a.node.path(pair.session("a"))[0] == 1400


def test_a_size_that_the_profile_fixes_stays() -> None:
    network = Network(mtu=1280)
    pair = Pair(network, datagram_bytes=1400)
    network.run(20.0)
    assert not pair.connected()
    assert pair.a.node.counters["cut-smaller"] == 0


def test_the_kernels_word_about_a_link_is_taken() -> None:
    pair = Pair(adapts=True).connect()
    session = pair.session("a")
    pair.a.node.handle_link_limit(session.link, 1252, pair.network.now)
    pair.a.pump()
    pair.network.run(1.0)
    assert pair.a.node.path(session)[0] == 1252
    assert pair.a.node.counters["path-limited"] == 1

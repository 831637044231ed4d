"""The search for a direct path, as a machine by itself; two of them and real NATs: tests/model/test_nat_grid.py."""

from __future__ import annotations

from appliance.api.values import Endpoint
from appliance.members.candidates import MAX_TRIED
from appliance.members.punching import (
    AGREE_SECONDS,
    BETTER_PAUSE,
    FIRST_PAUSE,
    LATE_PAUSE,
    LATE_PROBES,
    YOUNG_PAUSE,
    YOUNG_SECONDS,
    Agree,
    Punching,
    Stage,
    Take,
)

STREAM = Endpoint("tcp", "198.51.100.2", 8443)
FOUND = Endpoint("udp", "203.0.113.2", 40001)
OTHER = Endpoint("udp", "192.168.1.2", 8443)
SIX = Endpoint("udp", "2001:db8::2", 8443)


class Driven:
    """A machine in virtual time: what it wanted, and when."""

    def __init__(self, *, leads: bool = True, rtt: float | None = None) -> None:
        self.machine = Punching(leads)
        self.now = 100.0
        self.rtt = rtt
        self.asked: list[float] = []
        self.taken: list[Endpoint] = []
        self.probes: list[tuple[float, Endpoint]] = []
        self.machine.handle_path(STREAM, self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        self.collect()
        while (due := self.machine.poll_timeout()) is not None and due <= end:
            self.now = max(self.now, due)
            self.machine.handle_timeout(self.now, self.rtt)
            self.collect()
        self.now = end

    def collect(self) -> None:
        while (event := self.machine.poll_event()) is not None:
            if isinstance(event, Agree):
                self.asked.append(self.now)
            elif isinstance(event, Take):
                self.taken.append(event.endpoint)
        while (probe := self.machine.poll_probe()) is not None:
            self.probes.append((self.now, probe))

    def agree(self, *targets: Endpoint) -> None:
        assert self.machine.handle_agreed(targets, 0.0, self.now)
        self.run(0.0)

    def prove(self, endpoint: Endpoint, rtt: float) -> None:
        self.machine.handle_proved(endpoint, rtt, self.now)
        self.collect()


def test_the_leader_asks_sends_every_tenth_of_a_second_and_takes_what_answered() -> None:
    driven = Driven()
    driven.run(FIRST_PAUSE)
    assert driven.asked == [100.0 + FIRST_PAUSE]
    driven.agree(FOUND, OTHER)
    driven.run(0.45)
    assert [probe for _, probe in driven.probes] == [FOUND, OTHER] * 5
    driven.prove(FOUND, 0.02)
    assert driven.taken == []
    driven.run(0.5)
    assert driven.taken == [FOUND]
    assert driven.machine.stage is Stage.RESTING


def test_the_follower_sends_as_well_and_leaves_the_choice_to_the_leader() -> None:
    driven = Driven(leads=False)
    driven.run(30.0)
    assert driven.asked == []
    driven.agree(FOUND)
    driven.prove(FOUND, 0.02)
    driven.run(10.0)
    assert driven.probes
    assert driven.taken == []


def test_a_follower_cannot_be_made_to_send_without_end() -> None:
    driven = Driven(leads=False)
    started = sum(driven.machine.handle_agreed([FOUND], 0.0, 100.0 + hundredth / 100) for hundredth in range(1000))
    assert started == 10


def test_of_several_paths_the_fastest_is_taken_and_ipv6_may_be_a_little_slower() -> None:
    for ways, best in (
        ({FOUND: 0.030, OTHER: 0.001}, OTHER),
        ({FOUND: 0.020, SIX: 0.024}, SIX),
        ({FOUND: 0.020, SIX: 0.026}, FOUND),
    ):
        driven = Driven()
        driven.run(FIRST_PAUSE)
        driven.agree(*ways)
        for endpoint, rtt in ways.items():
            driven.prove(endpoint, rtt)
        driven.run(1.0)
        assert driven.taken == [best]


def test_a_direct_path_is_left_only_for_one_that_is_much_better() -> None:
    for rtt, taken in ((0.012, []), (0.030, [OTHER])):
        driven = Driven(rtt=rtt)
        driven.machine.handle_path(FOUND, driven.now)
        driven.run(BETTER_PAUSE)
        assert len(driven.asked) == 1
        driven.agree(FOUND, OTHER)
        driven.prove(OTHER, 0.010)
        driven.run(1.0)
        assert driven.taken == taken
        assert all(probe == OTHER for _, probe in driven.probes), "the path in use is not probed"


def test_rounds_come_often_while_young_and_seldom_later() -> None:
    driven = Driven()
    while driven.now < 100.0 + YOUNG_SECONDS + 3 * LATE_PAUSE:
        before = len(driven.asked)
        driven.run(0.1)
        if len(driven.asked) > before:
            driven.agree(FOUND)
    gaps = [round(after - before, 1) for before, after in zip(driven.asked, driven.asked[1:], strict=False)]
    assert set(gaps[:10]) == {YOUNG_PAUSE}
    assert set(gaps[-2:]) == {LATE_PAUSE}
    late = [when for when, _ in driven.probes if when > driven.asked[-1]]
    assert 1 <= len(late) <= LATE_PROBES


def test_a_path_that_dies_makes_the_search_young_again_at_once() -> None:
    driven = Driven()
    driven.machine.handle_path(FOUND, driven.now)
    driven.run(200.0)
    driven.machine.handle_path(STREAM, driven.now)
    driven.run(0.0)
    assert driven.asked == [driven.now]


def test_a_change_of_addresses_does_too_and_not_more_than_once_a_second() -> None:
    driven = Driven()
    driven.run(FIRST_PAUSE)
    driven.machine.handle_refused(driven.now)
    for _ in range(100):
        driven.machine.handle_changed(driven.now)
        driven.run(0.05)
        if driven.machine.stage is Stage.AGREEING:
            driven.machine.handle_refused(driven.now)
    assert 4 <= len(driven.asked) <= 7


def test_a_peer_that_does_not_answer_is_asked_again_later() -> None:
    driven = Driven()
    driven.run(FIRST_PAUSE + AGREE_SECONDS + YOUNG_PAUSE)
    assert len(driven.asked) == 2


def test_where_the_peers_probes_come_from_is_tried_as_well_within_bounds() -> None:
    driven = Driven()
    driven.machine.handle_asked(OTHER)
    driven.run(FIRST_PAUSE)
    driven.agree(FOUND)
    for port in range(1, 100):
        driven.machine.handle_asked(FOUND._replace(port=port))
    driven.collect()
    tried = {probe for _, probe in driven.probes}
    assert OTHER not in tried
    assert len(tried) == 1 + MAX_TRIED


def test_a_node_that_was_uprooted_asks_nobody_and_takes_whatever_answers() -> None:
    for leads in (True, False):
        driven = Driven(leads=leads, rtt=0.001)
        driven.machine.handle_path(FOUND, driven.now)
        driven.run(10.0)
        driven.machine.handle_uprooted([FOUND, SIX], driven.now)
        driven.run(0.2)
        assert driven.asked == []
        assert {probe for _, probe in driven.probes} == {SIX}
        driven.prove(SIX, 0.5)
        driven.run(1.0)
        assert driven.taken == [SIX], "the path in use is gone, however fast it was"


def test_nothing_is_done_without_a_session() -> None:
    driven = Driven()
    driven.machine.handle_path(None, driven.now)
    driven.machine.handle_changed(driven.now)
    driven.machine.handle_uprooted([FOUND], driven.now)
    assert not driven.machine.handle_agreed([FOUND], 0.0, driven.now)
    driven.run(1000.0)
    assert (driven.asked, driven.probes, driven.taken) == ([], [], [])

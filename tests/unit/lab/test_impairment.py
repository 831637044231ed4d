"""A bad wire in virtual time."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from appliance.lab.impairment import Impairment, Line

SIZE = 1250
"""10,000 bits."""


def sent(impairment: Impairment, count: int, *, every: float = 0.001, seed: int = 1) -> list[float | None]:
    """When each of so many packets comes out that enter one after the other."""
    line = Line(impairment, Random(seed))
    return [line.admit(number * every, SIZE) for number in range(count)]


def runs_of_losses(outcome: list[float | None]) -> list[int]:
    return [len(list(group)) for lost, group in itertools.groupby(outcome, lambda out: out is None) if lost]


def test_a_good_wire_does_nothing() -> None:
    assert sent(Impairment(), 3) == [0.0, 0.001, 0.002]


def test_the_bottleneck_sends_one_packet_after_the_other() -> None:
    assert sent(Impairment(rate=1_000_000), 3, every=0.0) == pytest.approx([0.01, 0.02, 0.03])
    assert sent(Impairment(rate=1_000_000), 2, every=5.0) == pytest.approx([0.01, 5.01]), "an idle line does not save up"


def test_what_would_wait_longer_than_the_queue_is_lost_and_takes_no_time() -> None:
    outcome = sent(Impairment(rate=1_000_000, queue=0.03), 100, every=0.005)
    came = [out for out in outcome if out is not None]
    assert all(out - number * 0.005 <= 0.03 + 0.01 + 1e-9 for number, out in enumerate(outcome) if out is not None)
    assert came == pytest.approx([0.01 * number for number in range(1, len(came) + 1)]), "the line is never idle"


def test_jitter_changes_the_way_but_not_the_order() -> None:
    outcome = [out for out in sent(Impairment(delay=0.05, jitter=0.02), 1000) if out is not None]
    ways = [out - number * 0.001 for number, out in enumerate(outcome)]
    assert len(outcome) == 1000
    assert outcome == sorted(outcome)
    assert 0.03 <= min(ways) < 0.05 < max(ways) <= 0.07
    assert all(
        way >= 0.0 for way in (out - n * 0.001 for n, out in enumerate(sent(Impairment(delay=0.001, jitter=1.0), 99)) if out)
    )


def test_some_packets_skip_the_delay() -> None:
    outcome = sent(Impairment(delay=0.05, reorder=0.1), 2000)
    early = [number for number, out in enumerate(outcome) if out is not None and out - number * 0.001 < 0.04]
    assert 100 < len(early) < 300


@pytest.mark.parametrize("length", [1, 5, 20])
def test_losses_come_in_runs_and_keep_their_share(length: int) -> None:
    outcome = sent(Impairment(loss=0.08, burst_packets=length), 100_000)
    assert 0.07 < outcome.count(None) / len(outcome) < 0.09
    runs = runs_of_losses(outcome)[:-1]  # the last may have begun when we stopped
    assert all(run % length == 0 for run in runs), "two runs may meet"
    assert runs.count(length) > len(runs) / 2


def test_outages_in_time_do_not_ask_what_comes() -> None:
    impairment = Impairment(loss=0.08, burst_seconds=0.2)
    often, seldom = sent(impairment, 1_000_000, every=0.001), sent(impairment, 10_000, every=0.1)
    assert [out is None for out in often[::100]] == [out is None for out in seldom], "the same moments"
    assert 0.06 < often.count(None) / len(often) < 0.1
    assert min(runs_of_losses(often)[:-1]) in (199, 200, 201)


def test_the_same_seed_loses_the_same_packets() -> None:
    impairment = Impairment(loss=0.1, burst_packets=3)
    assert sent(impairment, 500) == sent(impairment, 500)
    assert sent(impairment, 500) != sent(impairment, 500, seed=2)


def test_a_wire_may_lose_everything() -> None:
    assert set(sent(Impairment(loss=1.0), 100)) == {None}
    assert set(sent(Impairment(loss=1.0, burst_seconds=0.2), 100)) == {None}


def test_the_process_is_told_all_of_it() -> None:
    impairment = Impairment(rate=1, queue=2.0, delay=3.0, loss=0.5, burst_packets=4, burst_seconds=5.0, reorder=0.6, seed=7)
    assert Impairment.from_document(impairment.document()) == impairment

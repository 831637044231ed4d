"""Data channels have a share of the worker's time while there is other traffic, and all of it otherwise."""

from __future__ import annotations

import pytest

from appliance.worker.share import CARRIERS_SHARE, DEBT, GAP, MOST, SHARE, Share


def busy(share: Share, turns: int, sends: float = 0.0, comes: float = 0.0, turn: float = 0.001) -> tuple[float, float]:
    """So many turns with other traffic of a millisecond each. Bursts of what is sent and what comes go as soon as they may. How
    long both had in all."""
    used = sent = came = 0.0
    for _ in range(turns):
        used += turn
        share.begin(used, used, others=True)
        while sends and share.left > 0:
            used += sends
            sent += sends
            share.sent(used)
        while comes and not share.exceeded:
            came += comes
            share.came(comes)
    return sent, came


@pytest.mark.parametrize("burst", [1e-5, 2e-4, 0.003])
def test_beside_other_traffic_each_direction_has_its_share_and_a_burst(burst: float) -> None:
    sent, came = busy(Share(), 5000, sends=burst, comes=burst)
    assert SHARE * 5 * 0.5 < sent < SHARE * 5 * 1.2 + MOST + burst
    assert came < SHARE * 5 * 1.2 + MOST + burst


def test_where_a_channel_carries_a_link_it_has_a_larger_share() -> None:
    share = Share()
    share.portion = CARRIERS_SHARE
    sent, came = busy(share, 5000, sends=1e-5, comes=1e-5)
    assert CARRIERS_SHARE * 5 * 0.5 < sent < CARRIERS_SHARE * 5 * 1.3
    assert CARRIERS_SHARE * 5 * 0.5 < came < CARRIERS_SHARE * 5 * 1.3


def test_without_other_traffic_there_is_always_something_left() -> None:
    share = Share()
    busy(share, 10, sends=0.002)
    assert share.left <= 0
    share.begin(1.0, 1.0, others=False)
    assert share.left == MOST


def test_a_moment_without_others_does_not_forgive_what_came_in() -> None:
    share = Share()
    share.begin(1.0, 1.0, others=True)
    share.came(0.01)
    share.begin(1.0 + GAP / 2, 1.0, others=False)
    assert share.exceeded
    share.begin(1.0 + 2 * GAP, 1.0, others=False)
    assert not share.exceeded


def test_time_that_nobody_else_wants_pays_for_what_came_in() -> None:
    """Ten thousand small packets a second of others, and a worker that has nothing to do nine tenths of the time."""
    share, now, used, came = Share(), 0.0, 0.0, 0.0
    for _ in range(10_000):
        now, used = now + 1e-4, used + 1e-5
        share.begin(now, used, others=True, idle=9e-5)
        while not share.exceeded:
            came += 4e-5
            share.came(4e-5)
    assert came > 1.0, "more than all the time there was, so nothing is lost"


def test_a_peer_is_not_silenced_for_ever() -> None:
    share = Share()
    share.begin(1.0, 1.0, others=True)
    share.came(10.0)
    turns = 0
    while share.exceeded or not turns:
        turns += 1
        share.begin(1.0 + turns / 1000, 1.0 + turns / 1000, others=True)
    assert turns / 1000 <= DEBT / SHARE + 0.002

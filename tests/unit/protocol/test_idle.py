"""What sessions without traffic do, and so what they cost: keepalives and, now and then, new keys."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.protocol.events import Unreached
from appliance.testing.network import Network
from appliance.testing.pair import HOSTS, Pair

TEN_MINUTES = 600.0
NEW_KEYS = 20
"""Packets of the key exchange that is made once in that time, the old session's last and the new one's first keepalives."""


@pytest.mark.parametrize("keepalive", [1.0, 10.0, 25.0])
def test_an_idle_session_sends_a_keepalive_and_an_answer_each_way(keepalive: float) -> None:
    pair = Pair(Network(seed=1), keepalive=keepalive).connect()
    pair.network.run(20)
    before = pair.network.counters["sent"]
    pair.network.run(TEN_MINUTES)
    assert pair.connected()
    assert pair.network.counters["sent"] - before <= 4 * TEN_MINUTES / keepalive + NEW_KEYS


# ---- peers that are not kept alive ----


def quiet(**more: Any) -> Pair:
    return Pair(Network(seed=2), keepalive=0.0, **more)


def test_a_peer_that_is_not_kept_alive_is_called_when_traffic_wants_it_and_left_when_that_ends() -> None:
    pair = quiet()
    pair.network.run(60.0)
    assert pair.network.counters["sent"] == 0
    assert not pair.a.send("b", b"hello")
    assert pair.network.run_until(pair.connected, 2.0)
    before = pair.network.counters["sent"]
    pair.network.run(50.0)
    assert pair.network.counters["sent"] == before, "no keepalive"
    pair.network.run(30.0)
    assert not pair.a.node.sessions
    assert not pair.b.node.sessions
    pair.network.run(120.0)
    assert pair.network.counters["sent"] <= before + 2


def test_traffic_that_waits_in_vain_is_given_up_and_wanted_anew() -> None:
    pair = quiet()
    pair.network.take_down(HOSTS["b"])
    pair.a.send("b", b"hello")
    pair.network.run(9.0)
    assert pair.a.node.counters["initiated"] >= 2, "it is tried for as long as it is wanted"
    pair.network.run(21.0)
    assert [event for event in pair.a.events if isinstance(event, Unreached)] == [Unreached("b")]
    tried = pair.a.node.counters["initiated"]
    pair.network.run(60.0)
    assert pair.a.node.counters["initiated"] == tried
    pair.network.bring_up(HOSTS["b"])
    pair.a.send("b", b"hello")
    assert pair.network.run_until(pair.connected, 3.0)


def test_a_peer_without_endpoints_is_given_up_too() -> None:
    pair = quiet()
    pair.b.send("a", b"hello")
    pair.network.run(11.0)
    assert [event for event in pair.b.events if isinstance(event, Unreached)] == [Unreached("a")]


def test_a_peer_that_died_is_found_out_by_traffic_without_keepalives() -> None:
    pair = quiet()
    pair.a.send("b", b"hello")
    assert pair.network.run_until(pair.connected, 2.0)
    pair.b.kill()
    pair.network.take_down(HOSTS["b"])
    session = pair.session("a")
    for _ in range(4):
        pair.a.node.handle_unanswered(session.index, pair.network.now)
        pair.a.pump()
        pair.network.run(1.0)
    assert session.suspect
    assert pair.a.node.pending == 1, "it is called again"

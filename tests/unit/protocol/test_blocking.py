"""An identity that is blocked: its sessions end, and no new one is made by either side, until it is unblocked."""

from __future__ import annotations

from appliance.api.values import Endpoint
from appliance.protocol.events import CloseReason, SessionClosed, StrangerCame, Unreached
from appliance.protocol.settings import PeerSettings
from appliance.testing.network import Network
from appliance.testing.pair import HOSTS, PORT, Pair, identity_of
from appliance.testing.simulated_host import SimulatedHost

A_MINUTE = 60.0


def block(host: SimulatedHost, name: str) -> None:
    host.node.block(identity_of(name).fingerprint, host.network.now)
    host.pump()


def unblock(host: SimulatedHost, name: str) -> None:
    host.node.unblock(identity_of(name).fingerprint, host.network.now)
    host.pump()


def test_sessions_end_and_neither_side_makes_another_until_it_is_unblocked() -> None:
    pair = Pair(Network(seed=1), both=True).connect()
    block(pair.a, "b")
    assert not pair.a.node.sessions
    assert [event.reason for event in pair.a.events if isinstance(event, SessionClosed)][-1] is CloseReason.BLOCKED
    initiated = pair.a.node.counters["initiated"]
    pair.network.run(A_MINUTE)
    assert not pair.a.node.sessions
    assert pair.a.node.counters["initiated"] == initiated, "a blocked peer is not called"
    assert pair.a.node.counters["blocked"] > 0, "and its calls are refused"
    unblock(pair.a, "b")
    assert pair.network.run_until(pair.connected, A_MINUTE)


def test_a_handshake_that_is_under_way_comes_to_nothing() -> None:
    pair = Pair(Network(seed=2, latency=0.1), both=True)
    pair.network.run(0.25)
    assert pair.a.node.pending
    block(pair.a, "b")
    pair.network.run(A_MINUTE)
    assert not pair.a.node.sessions


def test_traffic_to_a_blocked_peer_is_given_up_and_not_kept() -> None:
    pair = Pair(Network(seed=3)).connect()
    block(pair.a, "b")
    assert not pair.a.send("b", b"hello")
    pair.network.run(A_MINUTE)
    assert Unreached("b") in pair.a.events


def test_it_stays_blocked_as_another_peer_under_another_name_and_after_it_was_removed() -> None:
    pair = Pair(Network(seed=4)).connect()
    block(pair.b, "a")
    pair.b.node.drop_peer("a", pair.network.now)
    pair.b.node.add_peer(PeerSettings("again", identity_of("a").fingerprint), pair.network.now)
    pair.network.run(A_MINUTE)
    assert not pair.b.node.sessions


def test_a_blocked_stranger_is_neither_let_in_nor_called() -> None:
    pair = Pair(Network(seed=5), a={"probation": 8}, b={"peers": (), "probation": 8})
    assert pair.network.run_until(lambda: any(isinstance(event, StrangerCame) for event in pair.b.events), A_MINUTE)
    assert pair.b.node.strangers
    block(pair.b, "a")
    assert not pair.b.node.strangers
    assert not pair.b.node.sessions
    before = len([event for event in pair.b.events if isinstance(event, StrangerCame)])
    pair.network.run(A_MINUTE)
    assert len([event for event in pair.b.events if isinstance(event, StrangerCame)]) == before
    endpoint = Endpoint("udp", HOSTS["a"], PORT)
    assert not pair.b.node.call_stranger(identity_of("a").fingerprint, [endpoint], 3.0, pair.network.now)

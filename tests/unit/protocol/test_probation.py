"""Strangers on probation, in virtual time: who calls a node that does not know him, and whom a node calls without knowing it."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.values import Endpoint
from appliance.protocol.control_channel import NotSent
from appliance.protocol.events import Event, PeerConnected, PeerGone, StrangerCame, StrangerGone
from appliance.protocol.families import Family
from appliance.protocol.pressure import Grade
from appliance.protocol.session import PROBATION_SECONDS
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.network import Network
from appliance.testing.pair import PORT, identity_of
from appliance.testing.simulated_host import SimulatedHost
from appliance.wire.control import ControlMessage, encode
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType

PROOFS = Family("proofs", before_membership=True)
FACTS = Family("facts")
HOST = "198.51.100.1"
OPEN = NodeSettings(probation=8)


def node(network: Network, name: str, host: str, settings: NodeSettings = OPEN, **peers: tuple[str, str | None]) -> SimulatedHost:
    """A node that knows these peers: name=(whose identity, where it is called)."""
    known = [
        PeerSettings(peer, identity_of(whose).fingerprint, () if at is None else (Endpoint("udp", at, PORT),))
        for peer, (whose, at) in peers.items()
    ]
    made = SimulatedHost(network, host, settings, identity_of(name), peers=known, listen=(Endpoint("udp", host, PORT),))
    for family in (PROOFS, FACTS):
        made.node.control.speak(family)
    return made


def name_of(name: str) -> str:
    return identity_of(name).fingerprint


def told(host: SimulatedHost, *kinds: type[Event]) -> list[Event]:
    return [event for event in host.events if isinstance(event, kinds)]


def counted(host: SimulatedHost) -> dict[str, int]:
    return {name: number for name, number in host.node.counters.items() if name.startswith("probation")}


def host_and_caller(network: Network | None = None, **settings: Any) -> tuple[SimulatedHost, SimulatedHost]:
    """A node, and one that calls it and is not known to it."""
    network = network or Network(seed=3)
    hub = node(network, "hub", HOST, NodeSettings(**({"probation": 8} | settings)))
    caller = node(network, "caller", "203.0.113.1", hub=("hub", HOST))
    return hub, caller


def call(caller: SimulatedHost, whom: str, at: str, within: float = 3.0) -> bool:
    called = caller.node.call_stranger(name_of(whom), [Endpoint("udp", at, PORT)], within, caller.network.now)
    caller.pump()
    return called


# ---- who calls ----


def test_while_the_host_has_nothing_to_spare_strangers_get_no_session_and_peers_do() -> None:
    hub, caller = host_and_caller()
    hub.node.run_short(Grade.EXHAUSTED)
    hub.network.run(3.0)
    assert hub.node.counters["host-short"] > 0
    assert not told(hub, StrangerCame)
    known = node(hub.network, "known", "203.0.113.9", hub=("hub", HOST))
    hub.node.add_peer(PeerSettings("known", name_of("known")), hub.network.now)
    hub.network.run(10.0)
    assert [event.peer for event in hub.events if isinstance(event, PeerConnected)] == ["known"]
    assert told(known, PeerConnected)
    hub.node.run_short(Grade.WELL)
    hub.network.run(30.0)
    assert told(hub, StrangerCame), "it calls again, and is let in"
    assert told(caller, PeerConnected)


def test_a_stranger_has_a_session_for_five_seconds_and_says_what_is_allowed_before_membership() -> None:
    hub, caller = host_and_caller()
    name = name_of("caller")
    assert hub.network.run_until(lambda: hub.connected(name) and caller.connected("hub"), 5.0)
    assert told(hub, StrangerCame, PeerConnected) == [StrangerCame(name), PeerConnected(name, proved=False)]
    for kind in ("proofs.mine", "facts.tell"):
        caller.node.control.send("hub", kind, {}, b"", caller.network.now)
    caller.pump()
    hub.network.run(1.0)
    assert hub.node.control.next("proofs") is not None
    assert hub.node.control.next("facts") is None
    assert hub.node.counters["control-unproved"] == 1
    with pytest.raises(NotSent, match="no-session"):
        hub.node.control.send(name, "facts.tell", {}, b"", hub.network.now)
    assert hub.network.run_until(lambda: not hub.connected(name), PROBATION_SECONDS)
    assert told(hub, PeerGone, StrangerGone)[:2] == [PeerGone(name), StrangerGone(name, "")]
    assert counted(hub)["probation-over"] == 1


def test_a_session_with_a_stranger_is_post_quantum_like_any_other() -> None:
    hub, _ = host_and_caller()
    assert hub.network.run_until(lambda: hub.connected(name_of("caller")), 5.0)
    assert [session.pq for session in hub.node.sessions.values()] == [True]
    weak, caller = host_and_caller(Network(seed=14))
    caller.update(NodeSettings(pq="off"))
    weak.network.run(10.0)
    assert not weak.node.strangers
    assert weak.node.counters["pq-required"] > 0


def test_without_probation_a_stranger_gets_no_session() -> None:
    hub, _ = host_and_caller(probation=0)
    hub.network.run(20.0)
    assert not hub.node.sessions
    assert hub.node.counters["unknown-identity"] > 0
    assert not told(hub, StrangerCame)


def test_a_stranger_that_becomes_a_peer_gets_an_ordinary_session_over_the_same_path() -> None:
    hub, caller = host_and_caller()
    name = name_of("caller")
    assert hub.network.run_until(lambda: hub.connected(name), 5.0)
    hub.add_peer(PeerSettings("caller", name))
    hub.node.promote(name, hub.network.now)
    hub.pump()
    assert hub.network.run_until(lambda: hub.connected("caller"), 1.0)
    hub.network.run(1.0)
    assert (hub.node.strangers, counted(hub)) == ((), {"probation": 1}), "its time was not over: it is somebody now"
    assert told(hub, PeerConnected)[-1] == PeerConnected("caller", proved=True)
    assert hub.send("caller", b"hello")
    assert caller.send("hub", b"hello")
    caller.network.run(2 * PROBATION_SECONDS)
    assert (hub.received, caller.received) == ([("caller", b"hello")], [("hub", b"hello")])
    assert not told(caller, PeerGone), "the caller had a peer all the time"
    assert len(hub.node.sessions) == 1


def test_both_may_become_peers_in_any_order() -> None:
    network = Network(seed=5)
    hub, caller = node(network, "hub", HOST), node(network, "caller", "203.0.113.1")
    assert call(caller, "hub", HOST)
    assert network.run_until(lambda: caller.connected(name_of("hub")), 5.0)
    for host, whom in ((caller, "hub"), (hub, "caller")):
        host.add_peer(PeerSettings(whom, name_of(whom)))
        host.node.promote(name_of(whom), network.now)
        host.pump()
    assert network.run_until(lambda: hub.connected("caller") and caller.connected("hub"), 3.0)
    network.run(2 * PROBATION_SECONDS)
    assert [len(each.node.sessions) for each in (hub, caller)] == [1, 1]
    assert (hub.node.strangers, caller.node.strangers) == ((), ())


def test_a_stranger_that_leaves_is_forgotten_at_once() -> None:
    hub, caller = host_and_caller()
    name = name_of("caller")
    assert hub.network.run_until(lambda: hub.connected(name) and caller.connected("hub"), 5.0)
    caller.shutdown()
    hub.network.run(0.5)
    assert told(hub, StrangerGone) == [StrangerGone(name, "")]
    assert (hub.node.strangers, "probation-over" in counted(hub)) == ((), False)


def test_strangers_take_no_place_of_peers() -> None:
    network = Network(seed=4)
    hub = node(network, "hub", HOST, NodeSettings(probation=8, max_sessions=1), friend=("friend", None))
    for number in range(3):
        node(network, f"s{number}", f"203.0.{number}.9", hub=("hub", HOST))
    network.run(1.0)
    assert len(hub.node.strangers) == 3
    node(network, "friend", "192.0.2.7", hub=("hub", HOST))
    assert network.run_until(lambda: hub.connected("friend"), 5.0)


# ---- floods ----


def test_the_oldest_makes_room_and_nobody_is_turned_away() -> None:
    network = Network(seed=6)
    hub = node(network, "hub", HOST, NodeSettings(probation=4))
    for number in range(6):
        node(network, f"s{number}", f"203.0.{number}.9", hub=("hub", HOST))
        network.run(0.3)
    assert list(hub.node.strangers) == [name_of(f"s{number}") for number in (2, 3, 4, 5)]
    assert counted(hub) == {"probation": 6, "probation-evicted": 2}


def test_a_prefix_has_a_quarter_of_the_places() -> None:
    network = Network(seed=7)
    hub = node(network, "hub", HOST, NodeSettings(probation=8))
    node(network, "good", "192.0.2.1", hub=("hub", HOST))
    network.run(0.3)
    for number in range(6):
        node(network, f"s{number}", f"203.0.113.{number + 1}", hub=("hub", HOST))
        network.run(0.1)
    assert list(hub.node.strangers) == [name_of(name) for name in ("good", "s4", "s5")]


def test_a_stranger_gets_two_sessions_and_no_more_time_by_calling_again() -> None:
    network = Network(seed=8)
    hub = node(network, "hub", HOST)
    for host in ("203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"):
        node(network, "thief", host, hub=("hub", HOST))
        network.run(0.1)
    network.run(1.0)
    assert len(hub.node.sessions) == 2
    assert hub.node.counters["probation-again"] > 0
    network.run(PROBATION_SECONDS - 1.0)
    assert [event for event in told(hub, StrangerGone) if isinstance(event, StrangerGone)] == [StrangerGone(name_of("thief"), "")]


def test_our_own_identity_is_no_stranger() -> None:
    network = Network(seed=9)
    hub = node(network, "hub", HOST)
    node(network, "hub", "203.0.113.1", other=("hub", HOST))
    network.run(3.0)
    assert not hub.node.strangers
    assert not call(hub, "hub", "203.0.113.1")


def test_what_a_stranger_sends_does_not_make_us_begin_a_handshake() -> None:
    hub, _ = host_and_caller()
    name = name_of("caller")
    assert hub.network.run_until(lambda: hub.connected(name), 5.0)
    session = hub.sending[name]
    hub.node.handle_stalled(session, hub.network.now)
    hub.node.handle_message(
        session, PacketType.DATA, CHANNEL_CONTROL, encode(ControlMessage("compression", {"accepts": []})), hub.network.now
    )
    hub.pump()
    assert hub.node.pending == 0
    assert hub.node.counters["control-unproved"] == 1
    hub.node.handle_keys_lost(hub.network.now)
    hub.pump()
    assert not hub.node.sessions
    hub.network.run(0.1)
    assert told(hub, StrangerGone) == [StrangerGone(name, "")]


# ---- whom we call ----


def test_a_stranger_is_called_by_identity_and_endpoint() -> None:
    network = Network(seed=10)
    hub, caller = node(network, "hub", HOST), node(network, "caller", "203.0.113.1")
    assert call(caller, "hub", HOST)
    assert network.run_until(lambda: caller.connected(name_of("hub")) and hub.connected(name_of("caller")), 5.0)
    number = caller.node.control.ask(name_of("hub"), "proofs.ask", {}, b"", 3.0, network.now)
    caller.pump()
    network.run(0.5)
    asked = hub.node.control.next("proofs")
    assert number
    assert asked is not None
    assert asked.identity == name_of("caller")
    network.run(PROBATION_SECONDS)
    assert (hub.node.sessions, caller.node.sessions) == ({}, {})
    assert told(caller, StrangerGone) == [StrangerGone(name_of("hub"), "")]
    network.run(30.0)
    assert not caller.node.pending, "nobody is called again"


def test_a_call_that_nobody_answers_ends_and_says_why() -> None:
    network = Network(seed=11)
    caller = node(network, "caller", "203.0.113.1")
    assert call(caller, "hub", HOST, within=12.0)
    network.run(13.0)
    assert told(caller, StrangerGone) == [StrangerGone(name_of("hub"), "timeout")]
    assert caller.node.counters["initiated"] >= 2, "it was tried again within its time"
    network.run(60.0)
    assert not caller.node.pending


def test_somebody_else_at_the_endpoint_is_not_whom_we_called() -> None:
    network = Network(seed=12)
    node(network, "other", HOST)
    caller = node(network, "caller", "203.0.113.1")
    call(caller, "hub", HOST)
    network.run(10.0)
    assert caller.node.counters["wrong-identity"] > 0
    assert not caller.node.sessions


def test_calls_are_counted_apart_from_who_comes() -> None:
    network = Network(seed=13)
    hub = node(network, "hub", HOST, NodeSettings(probation=4))
    server = node(network, "server", "192.0.2.1")
    assert call(hub, "server", "192.0.2.1")
    assert network.run_until(lambda: hub.connected(name_of("server")), 1.0)
    for number in range(6):
        node(network, f"s{number}", f"203.0.{number}.9", hub=("hub", HOST))
    network.run(1.0)
    assert hub.connected(name_of("server")), "a flood does not push out whom we called"
    assert server.connected(name_of("hub"))
    results = [call(hub, f"s{number}x", f"203.1.{number}.9") for number in range(4)]
    assert results == [True, True, True, False]
    assert counted(hub)["probation-calls"] == 1


def test_whoever_is_a_peer_is_not_called_as_a_stranger() -> None:
    hub, caller = host_and_caller()
    assert not call(caller, "hub", HOST)
    assert hub.network.run_until(lambda: hub.connected(name_of("caller")), 5.0)


def test_a_node_that_stops_has_no_strangers_left() -> None:
    hub, _ = host_and_caller()
    assert hub.network.run_until(lambda: hub.connected(name_of("caller")), 5.0)
    hub.shutdown()
    assert (hub.node.strangers, hub.node.sessions) == ((), {})
    hub.network.run(30.0)

"""Sessions over their life: signs of life, other paths, new keys, goodbyes; in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.api.values import Endpoint
from appliance.protocol.events import (
    CloseReason,
    Dial,
    LinkUnused,
    PathChanged,
    SessionClosed,
    SessionReady,
    SessionReplaced,
)
from appliance.protocol.keeping import LINGER_SECONDS
from appliance.protocol.session import SessionState
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.network import Network
from appliance.testing.pair import HOSTS, Pair, identity_of
from appliance.testing.simulated_host import ACTIVITY_SECONDS, SimulatedHost
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType, no_session


def closed(events: list[object]) -> list[str]:
    return [event.reason for event in events if isinstance(event, SessionClosed)]


def test_an_idle_session_is_kept_and_measured() -> None:
    pair = Pair(Network(latency=0.05)).connect()
    first = pair.session("a").session_id
    pair.network.run(590.0)
    assert pair.session("a").session_id == first
    assert pair.session("a").rtt == pytest.approx(0.1)
    assert pair.session("b").rtt == pytest.approx(0.1)
    assert closed(pair.a.events) == closed(pair.b.events) == []
    assert 40 < pair.a.node.counters["keepalive-sent"] + pair.b.node.counters["keepalive-sent"] < 140


@pytest.mark.parametrize("tenths", range(1, 40))
def test_timers_move_on_whatever_the_fractions(tenths: int) -> None:
    network = Network(tenths, latency=0.01 + tenths / 997, jitter=tenths / 331)
    pair = Pair(network, keepalive=tenths / 10, a={"idle": 3 + tenths / 7}, b={"idle": 3 + tenths / 9}).connect()
    network.run(15.0)
    network.take_down(HOSTS["b"])
    network.run(30.0)
    assert not pair.a.node.sessions


def test_traffic_makes_keepalives_needless() -> None:
    pair = Pair().connect()
    before = pair.a.node.counters["keepalive-sent"]
    for _ in range(60):
        pair.a.send("b", b"x")
        pair.b.send("a", b"x")
        pair.network.run(1.0)
    assert pair.a.node.counters["keepalive-sent"] == before


def test_a_peer_that_vanishes_is_noticed_and_its_session_ends() -> None:
    pair = Pair(keepalive=2.0, a={"idle": 20.0}, b={"idle": 20.0}).connect()
    pair.network.take_down(HOSTS["b"])
    pair.network.run(6.0)
    assert pair.session("a").suspect
    assert pair.a.node.counters["path-dead"] == 1
    pair.network.run(16.0)
    assert closed(pair.a.events) == ["unconfirmed"] * 0 + ["idle"]
    assert not pair.a.node.sessions
    assert not pair.a.connected("b")
    pair.network.bring_up(HOSTS["b"])
    pair.connect()


def test_a_session_without_keepalive_ends_by_idleness() -> None:
    pair = Pair(keepalive=0.0, b={"idle": 30.0})
    pair.a.send("b", b"wake")
    pair.connect()
    pair.network.run(40.0)
    assert closed(pair.b.events) == ["idle"]


def test_another_endpoint_takes_over_when_the_path_dies() -> None:
    network = Network()
    pair = Pair(network, keepalive=2.0).connect()
    second = Endpoint("tcp", "192.0.2.9", 8443)
    network.listen(("192.0.2.9", 8443), lambda end, source: pair.b._accept(second, end, source))
    pair.a.node.handle_candidates("b", [pair.endpoints["b"], second], network.now)
    pair.a.pump()
    network.tamper = lambda source, to, packet: None
    died = network.now
    assert network.run_until(lambda: pair.session("a").endpoint == second, 30)
    assert network.now - died < 2.0 + 3.0 + ACTIVITY_SECONDS + 0.2
    pair.a.send("b", b"again")
    network.run(1.0)
    assert pair.b.received == [("a", b"again")]


def test_new_keys_bring_a_session_back_to_the_wanted_endpoint() -> None:
    network = Network()
    pair = Pair(network, a={"rotate_after": 30.0}).connect()
    first, second = Endpoint("udp", "192.0.2.9", 8443), pair.endpoints["b"]
    pair.a.node.handle_candidates("b", [first, second], network.now)
    network.run(40.0)
    assert pair.session("a").endpoint == second  # the first does not answer
    pair.b._listen(first)
    assert network.run_until(lambda: pair.session("a").endpoint == first, 31)
    for number in range(50):
        pair.a.send("b", b"%d" % number)
        network.run(0.1)
    assert len(pair.b.received) == 50


def edited(pair: Pair, *endpoints: Endpoint) -> None:
    """The profile of `a` names other endpoints of its peer now."""
    [peer] = pair.a.node.peers.values()
    pair.a.change_peer(replace(peer.settings, endpoints=endpoints))


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_an_edited_endpoint_is_tried_at_once_and_replaces_the_session(scheme: str) -> None:
    network = Network(latency=0.02)
    pair = Pair(network, scheme=scheme).connect()
    new = Endpoint(scheme, "192.0.2.9", 8443)
    pair.b._listen(new)
    edited(pair, new)
    sent = 0
    while pair.session("a").endpoint != new:
        pair.a.send("b", b"%d" % sent)
        pair.b.send("a", b"%d" % sent)
        sent += 1
        network.run(0.01)
        assert sent < 200, "two seconds"
    network.run(1.0)
    assert [int(body) for _, body in pair.b.received] == list(range(sent)), "make before break"
    assert [int(body) for _, body in pair.a.received] == list(range(sent))
    assert pair.session("b").session_id == pair.session("a").session_id


def test_who_learns_of_a_better_endpoint_does_not_wait_for_the_end_of_an_attempt_elsewhere() -> None:
    network = Network()
    pair = Pair(network)
    works = pair.endpoints["b"]
    edited(pair, Endpoint("udp", "192.0.2.66", 8443), Endpoint("udp", "192.0.2.67", 8443))
    network.run(0.5)
    assert pair.a.node.peers["b"].busy, "nobody is there, which takes two seconds to find out"
    edited(pair, works, Endpoint("udp", "192.0.2.66", 8443))
    assert network.run_until(pair.connected, 0.5)


def test_an_attempt_goes_on_when_only_less_wanted_endpoints_come() -> None:
    network = Network()
    pair = Pair(network)
    nobody = Endpoint("udp", "192.0.2.66", 8443)
    edited(pair, nobody)
    network.run(0.5)
    attempt = pair.a.node.peers["b"].initiation
    edited(pair, nobody, pair.endpoints["b"])
    assert pair.a.node.peers["b"].initiation == attempt is not None


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_a_typo_in_an_edited_endpoint_shows_now_and_harms_nothing(scheme: str) -> None:
    network = Network()
    pair = Pair(network, scheme=scheme).connect()
    before, initiated = pair.session("a"), pair.a.node.counters["initiated"]
    edited(pair, Endpoint(scheme, "192.0.2.66", 8443))
    assert network.run_until(lambda: bool(pair.a.node.peers["b"].last_error), 6.0)
    network.run(120.0)
    assert pair.session("a") is before, "the old session goes on"
    assert pair.a.node.peers["b"].last_error, "and what is wrong stays to be seen"
    assert pair.a.node.counters["initiated"] - initiated <= 1, "each endpoint is tried once"
    assert not before.elsewhere
    pair.a.send("b", b"still")
    network.run(1.0)
    assert pair.b.received[-1] == ("a", b"still")
    edited(pair, pair.endpoints["b"])
    network.run(10.0)
    assert pair.session("a") is before, "it goes over that one already"


def test_an_edited_name_is_tried_when_it_is_resolved() -> None:
    network = Network()
    pair = Pair(network).connect()
    edited(pair, Endpoint("udp", "there.example", 8443))
    network.run(10.0)
    new = Endpoint("udp", "192.0.2.9", 8443)
    pair.b._listen(new)
    pair.a.node.handle_candidates("b", [new], network.now)
    pair.a.pump()
    assert network.run_until(lambda: pair.session("a").endpoint == new, 2.0)


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_new_keys_come_without_a_lost_packet(scheme: str, loss: float) -> None:
    network = Network(3, latency=0.02)
    pair = Pair(network, scheme=scheme, a={"rotate_after": 10.0}, b={"rotate_after": 10.0}).connect()
    first = pair.session("a").session_id

    def lose_handshakes(_source: object, _to: object, packet: bytes) -> bytes | None:
        return None if packet[2] in (3, 4) and network.random.random() < loss else packet

    network.tamper = lose_handshakes
    for number in range(1000):
        pair.a.send("b", b"%d" % number)
        pair.b.send("a", b"%d" % number)
        network.run(0.05)
    network.run(1.0)
    assert [int(body) for _, body in pair.b.received] == list(range(1000))
    assert [int(body) for _, body in pair.a.received] == list(range(1000))
    assert pair.session("a").session_id != first
    replaced = [event for event in pair.a.events if isinstance(event, SessionReplaced)]
    assert len(replaced) in (4, 5)
    network.run(2 * LINGER_SECONDS)
    assert len(pair.a.node.sessions) <= 2
    assert pair.a.drops == pair.b.drops == {}


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_one_connection_serves_a_peer_for_all_its_sessions(scheme: str) -> None:
    pair = Pair(scheme=scheme, a={"rotate_after": 30.0}).connect()
    for _ in range(100):
        pair.a.send("b", b"hello")
        pair.network.run(3.0)
    assert pair.a.node.counters["rotated"] >= 9
    assert len([event for event in pair.a.events if isinstance(event, Dial)]) == 1
    assert [event for event in pair.a.events if isinstance(event, LinkUnused)] == []
    assert len(pair.b.received) == 100


def test_the_called_side_renews_when_the_calling_side_does_not() -> None:
    pair = Pair(b={"rotate_after": 30.0}).connect()
    pair.network.run(40.0)
    assert pair.b.node.counters["rotated"] == 1
    assert pair.session("b").initiator
    assert not pair.session("a").initiator


def test_keys_that_cannot_be_renewed_end() -> None:
    network = Network()
    pair = Pair(network, a={"rotate_after": 20.0}, b={"rotate_after": 20.0}).connect()
    network.tamper = lambda source, to, packet: None if packet[2] in (3, 4) else packet
    network.run(50.0)
    assert CloseReason.ROTATION_FAILED in closed(pair.a.events)
    assert not pair.a.connected("b")


@pytest.mark.parametrize("seed", range(8))
def test_of_two_calls_at_the_same_time_one_session_survives(seed: int) -> None:
    network = Network(seed, latency=0.05, jitter=0.1 * (seed % 2), loss=0.05 * (seed % 3))
    pair = Pair(network, both=True).connect()
    for number in range(100):
        pair.a.send("b", b"%d" % number)
        pair.b.send("a", b"%d" % number)
        network.run(0.1)
    network.run(2 * LINGER_SECONDS)
    assert pair.session("a").session_id == pair.session("b").session_id
    assert len(pair.a.node.sessions) == len(pair.b.node.sessions) == 1
    if not network.loss:
        assert len(pair.a.received) == len(pair.b.received) == 100


def test_a_nat_that_forgets_does_not_break_the_session() -> None:
    network = Network()
    nat = network.nat(HOSTS["a"], "192.0.2.200")
    pair = Pair(network).connect()
    before = pair.session("b")
    assert before.endpoint is not None
    assert before.endpoint.host == "192.0.2.200"
    old = before.endpoint
    nat.rebind()
    pair.a.send("b", b"from elsewhere")
    network.run(1.0)
    assert pair.session("b") is before
    assert before.endpoint != old
    assert [event for event in pair.b.events if isinstance(event, PathChanged)]
    pair.b.send("a", b"found you")
    network.run(1.0)
    assert pair.a.received == [("b", b"found you")]


def test_a_polite_end() -> None:
    pair = Pair().connect()
    pair.a.shutdown()
    assert not pair.a.node.sessions
    pair.network.run(1.0)
    assert closed(pair.b.events) == ["disconnected"]
    assert not pair.b.node.sessions


def test_a_called_peer_that_leaves_is_called_again() -> None:
    pair = Pair().connect()
    pair.b.shutdown()
    pair.b.kill()
    pair.network.run(5.0)
    assert not pair.a.connected("b")
    pair.b = pair.start("b")
    pair.connect()


def test_a_peer_that_restarts_gets_a_new_session() -> None:
    pair = Pair().connect()
    pair.a.kill()
    pair.a = pair.start("a")
    assert pair.network.run_until(lambda: pair.a.connected("b"), 5)
    pair.network.run(2 * LINGER_SECONDS)
    assert pair.session("a").session_id == pair.session("b").session_id
    assert len(pair.b.node.sessions) == 1


def test_a_called_peer_that_restarts_is_called_at_its_first_word() -> None:
    pair = Pair().connect()
    pair.b.kill()
    pair.b = pair.start("b")
    pair.a.send("b", b"lost")
    died = pair.network.now
    assert pair.network.run_until(lambda: pair.b.connected("a"), 5)
    assert pair.network.now - died == pytest.approx(0.05)  # the record, the word, three messages
    pair.network.run(1.0)
    pair.a.send("b", b"found")
    pair.network.run(1.0)
    assert pair.b.received == [("a", b"found")]


def test_a_forged_word_of_a_lost_session_costs_a_handshake_now_and_then() -> None:
    pair = Pair().connect()
    (link,) = pair.a._links.keys() - {1}
    for _ in range(100):
        pair.a.inject(link, None, no_session(pair.session("a").remote_index << 8, 0))
        pair.a.send("b", b"x")
        pair.network.run(0.1)
    assert pair.a.node.counters["disowned"] in (2, 3)
    assert len(pair.b.received) == 100
    pair.a.inject(link, None, no_session(7 << 8, 0))
    pair.a.inject(link, None, no_session(0, 0)[:20] + b"\0\0\0\0")
    assert pair.a.node.counters["disowned"] in (2, 3)


def test_word_of_lost_sessions_is_looked_up_so_often() -> None:
    pair = Pair().connect()
    (link,) = pair.a._links.keys() - {1}
    for _ in range(60):
        pair.a.inject(link, None, no_session(7 << 8, 0))
    assert pair.a.node.counters["rate-limited"] == 10


def test_keys_that_a_worker_took_with_it_are_made_again() -> None:
    pair = Pair().connect()
    first = pair.session("a").session_id
    pair.a.node.handle_keys_lost(pair.network.now)
    pair.a.pump()
    assert closed(pair.a.events) == ["worker-lost"]
    pair.connect()
    assert pair.session("a").session_id != first


@pytest.mark.parametrize("kept", [False, True])
def test_keys_lost_while_others_are_being_made_are_made_again(kept: bool) -> None:
    pair = Pair().connect()
    node, first = pair.a.node, pair.session("a")
    node.handle_stalled(first.index, pair.network.now)
    pair.a.pump()
    while len(node.sessions) < 2:
        pair.network.run(0.001)
    assert first.index in node.sessions, "the new keys are not confirmed yet"
    node.handle_keys_lost(pair.network.now, {first.index} if kept else ())
    pair.a.pump()
    assert (first.index in node.sessions) is kept
    pair.network.run(5.0)
    assert pair.session("a").session_id == pair.session("b").session_id


def test_keys_that_another_worker_has_are_kept() -> None:
    pair = Pair().connect()
    first = pair.session("a").session_id
    pair.a.node.handle_keys_lost(pair.network.now, {pair.session("a").index})
    pair.a.pump()
    pair.network.run(1.0)
    assert closed(pair.a.events) == []
    assert pair.session("a").session_id == first


def test_keys_that_ran_apart_are_made_again() -> None:
    pair = Pair().connect()
    first = pair.session("a").session_id
    pair.a.node.handle_stalled(pair.session("a").index, pair.network.now)
    pair.a.pump()
    pair.network.run(1.0)
    assert pair.session("a").session_id == pair.session("b").session_id != first


def test_records_without_an_echo_hurry_the_search_for_another_path() -> None:
    network = Network()
    pair = Pair(network).connect()
    network.run(2.0)
    pair.a.node.handle_unanswered(pair.session("a").index, network.now)
    pair.a.pump()
    network.run(5.0)
    assert pair.a.node.counters["path-dead"] == 0  # the echo came
    network.take_down(HOSTS["b"])
    pair.a.node.handle_unanswered(pair.session("a").index, network.now)
    pair.a.pump()
    died = network.now
    assert network.run_until(lambda: pair.a.node.counters["path-dead"] == 1, 10)
    assert network.now - died < 4.0


@pytest.mark.parametrize("both", [False, True])
def test_a_broken_stream_is_replaced(both: bool) -> None:
    pair = Pair(scheme="tcp", both=both).connect()
    pair.network.close_streams(HOSTS["a"])
    pair.network.run(0.1)
    assert "link-closed" in closed(pair.a.events)
    pair.connect()


def test_a_broken_message_is_counted() -> None:
    pair = Pair().connect()
    session = pair.session("a").index
    for kind, channel, body in (
        (PacketType.DATA, CHANNEL_CONTROL, b"{"),
        (PacketType.KEEP_ALIVE, 0, b"short"),
        (PacketType.ACK, 0, b"short"),
    ):
        pair.a.node.handle_message(session, kind, channel, body, pair.network.now)
    assert pair.a.node.counters["malformed"] == 3
    pair.a.node.handle_message(session, PacketType.DATA, 9, b"", pair.network.now)
    assert pair.a.node.counters["unexpected"] == 1
    pair.a.node.handle_message(0, PacketType.ACK, 0, b"", pair.network.now)
    assert pair.a.node.counters["unknown-session"] == 1


def test_a_changed_profile_leaves_other_sessions_alone() -> None:
    pair = Pair().connect()
    session = pair.session("a")
    pair.a.update(replace(pair.settings["a"], idle=120.0, handshakes_per_second=50))
    assert pair.session("a") is session
    pair.a.update(replace(pair.settings["a"], suites=("chacha20-poly1305",)))
    pair.network.run(1.0)
    assert pair.session("a").suite.name == "chacha20-poly1305"
    pair.a.drop_peer("b")
    assert not pair.a.node.sessions
    pair.network.run(1.0)
    assert closed(pair.b.events) == ["disconnected", "disconnected"]  # the one replaced just before, too


def test_a_peer_of_another_identity_is_another_peer() -> None:
    pair = Pair().connect()
    pair.a.change_peer(replace(pair.peers["a"][0], identity="llp1:" + "a" * 52))
    assert closed(pair.a.events) == ["removed"]


def test_a_peer_comes_and_goes_and_the_others_go_on() -> None:
    network = Network()
    pair = Pair(network).connect()
    session = pair.session("a")
    c = SimulatedHost(network, "192.0.2.3", NodeSettings(), identity_of("c"), peers=pair.peers["a"])
    network.run(5.0)
    assert not pair.b.connected("c"), "b does not know it"
    pair.b.add_peer(PeerSettings("c", identity_of("c").fingerprint))
    assert network.run_until(lambda: pair.b.connected("c") and c.connected("b"), 5.0)
    pair.b.drop_peer("c")
    network.run(5.0)
    assert not c.connected("b"), "it was told"
    assert pair.session("a") is session
    pair.b.drop_peer("nobody")
    pair.b.change_peer(PeerSettings("nobody", "llp1:" + "b" * 52))
    assert set(pair.b.node.peers) == {"a"}


def test_states_go_as_they_should() -> None:
    pair = Pair()
    seen: list[SessionState] = []

    def look() -> bool:
        seen.extend(session.state for session in pair.a.node.sessions.values())
        return pair.connected()

    pair.network.run_until(look, 5)
    assert seen[0] is SessionState.HANDSHAKING
    assert seen[-1] is SessionState.ACTIVE
    ready = next(event for event in pair.a.events if isinstance(event, SessionReady))
    assert ready.session_id.version == 4


def test_a_host_that_wakes_asks_at_once_and_makes_the_keys_new_that_grew_old_asleep() -> None:
    pair = Pair(Network(latency=0.01)).connect()
    pair.network.run(5.0)
    first, probed = pair.session("a").session_id, pair.a.node.counters["keepalive-sent"]
    pair.a.node.handle_slept(30.0, pair.network.now)
    assert pair.a.node.counters["keepalive-sent"] == probed + 1
    pair.network.run(2.0)
    assert pair.session("a").session_id == first, "half a minute makes no key old"
    pair.a.node.handle_slept(7 * 86400.0, pair.network.now)
    pair.network.run(2.0)
    assert pair.session("a").session_id != first
    assert pair.a.node.counters["rotated"] == 1
    assert closed(pair.a.events) == []

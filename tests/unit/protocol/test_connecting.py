"""The calling side, seen from outside: two real nodes in virtual time."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from appliance.api.values import Endpoint
from appliance.protocol.connecting import ATTEMPT_SECONDS, MAX_CONNECTING, MAX_COOKIES, MAX_WAITING
from appliance.protocol.cookies import cookie_reply
from appliance.protocol.events import Dial, LinkUnused, Refused, SessionConfirmed, SessionReady
from appliance.protocol.exchange import KeyAgreement
from appliance.protocol.handshake import Policy, Pq, Responder
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.network import Network
from appliance.testing.pair import HOSTS, Pair, identity_of
from appliance.testing.simulated_host import SimulatedHost
from appliance.wire import hello
from appliance.wire.envelope import FLAG_COOKIE, HEADER_BYTES, PacketType
from appliance.wire.fragments import split


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_a_handshake_takes_three_flights(scheme: str) -> None:
    pair = Pair(Network(latency=0.1), scheme=scheme).connect()
    assert pair.network.now - 1000.0 == pytest.approx(0.4)  # three messages and the confirmation
    assert pair.session("a").session_id == pair.session("b").session_id
    assert pair.session("a").pq
    pair.a.send("b", b"hello")
    pair.b.send("a", b"hi")
    pair.network.run(1.0)
    assert (pair.a.received, pair.b.received) == ([("b", b"hi")], [("a", b"hello")])


def test_keys_are_installed_before_they_can_be_used() -> None:
    pair = Pair().connect()
    kinds = [type(event) for event in pair.a.events]
    assert kinds.index(SessionReady) < kinds.index(SessionConfirmed)
    assert pair.a.drops == pair.b.drops == {}


@pytest.mark.parametrize("seed", range(10))
def test_a_bad_path_delays_but_does_not_prevent(seed: int) -> None:
    network = Network(seed, latency=0.05, jitter=0.2, loss=0.25, repeats=0.1)
    pair = Pair(network).connect()
    pair.a.send("b", b"hello")
    assert len({event.session for event in pair.b.events if isinstance(event, SessionReady)}) == 1


def test_a_lost_third_message_is_sent_again() -> None:
    network = Network()
    dropped = []

    def tamper(_source: object, _to: object, packet: bytes) -> bytes | None:
        third = packet[2] == 3 and packet[4:7] != bytes(3)
        if third and len(dropped) < 6:
            dropped.append(packet)
            return None
        return packet

    network.tamper = tamper
    pair = Pair(network).connect()
    assert len(dropped) == 6
    assert pair.a.node.counters["resent"] == 1


def test_a_lost_confirmation_is_sent_again() -> None:
    network = Network()
    lost = []

    def tamper(_source: object, _to: object, packet: bytes) -> bytes | None:
        if packet[2] == 5 and not lost:
            lost.append(packet)
            return None
        return packet

    network.tamper = tamper
    pair = Pair(network).connect()
    assert pair.b.node.counters["confirmed-again"] == 1
    assert pair.b.node.counters["completed"] == 1


@pytest.mark.parametrize("datagram_bytes", [548, 1208, 1400, 1472])
def test_every_datagram_fits(datagram_bytes: int) -> None:
    pair = Pair(Network(mtu=datagram_bytes + 28), datagram_bytes=datagram_bytes).connect()
    assert pair.network.counters["too-long"] == 0


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_a_peer_that_comes_late_is_reached_within_two_seconds(scheme: str) -> None:
    network = Network()
    pair = Pair(network, scheme=scheme)
    network.take_down(HOSTS["b"])
    network.run(100.0)
    network.bring_up(HOSTS["b"])
    came = network.now
    assert network.run_until(pair.connected, 10)
    assert network.now - came < 2.0


def test_the_next_endpoint_is_tried_when_one_fails() -> None:
    network = Network()
    pair = Pair(network)
    good = pair.endpoints["b"]
    nowhere = Endpoint("udp", "192.0.2.1", 8443)
    pair.a.kill()
    pair.peers["a"] = (replace(pair.peers["a"][0], endpoints=(nowhere, good)),)
    pair.a = pair.start("a")
    network.run(10.0)
    dials = [event.endpoint for event in pair.a.events if isinstance(event, Dial)]
    assert dials == [nowhere, good]
    assert pair.a.connected("b")
    assert sum(isinstance(event, LinkUnused) for event in pair.a.events) == 1


def test_a_failed_dial_leads_to_the_next_attempt() -> None:
    network = Network()
    peer = PeerSettings("b", identity_of("b").fingerprint, (Endpoint("tcp", "192.0.2.1", 1),))
    a = SimulatedHost(network, HOSTS["a"], NodeSettings(), identity_of("a"), peers=(peer,))
    network.run(60.0)
    assert 20 < a.node.counters["dial-failed"] < 60
    assert "192.0.2.1" in a.node.peers["b"].last_error


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ({"pq": "off"}, {}, "pq-required"),
        ({}, {"pq": "off"}, "no-common-kex"),
        ({"suites": ("aes-256-gcm",)}, {"suites": ("chacha20-poly1305",)}, "no-common-suite"),
        ({}, {"peers": ()}, "unknown-identity"),
    ],
)
def test_a_called_node_says_why_it_refused(a: dict[str, object], b: dict[str, object], reason: str) -> None:
    pair = Pair(a=a, b=b)
    pair.network.run(10.0)
    assert not pair.a.connected("b")
    assert pair.b.node.counters[reason] >= 1
    assert Refused(None, reason) in pair.b.events
    assert not pair.b.node.sessions


def test_a_calling_node_says_who_was_refused() -> None:
    pair = Pair()
    pair.a.change_peer(replace(pair.peers["a"][0], identity=identity_of("c").fingerprint))
    pair.network.run(10.0)
    assert Refused("b", "wrong-identity") in pair.a.events
    assert not pair.a.connected("b")


def test_preferring_meets_off_without_post_quantum() -> None:
    pair = Pair(a={"pq": "prefer"}, b={"pq": "off"}).connect()
    assert not pair.session("a").pq


def test_forged_answers_do_not_end_an_attempt() -> None:
    pair = Pair()
    (attempt,) = pair.a.node._connecting._initiations.values()
    policy = Policy(Pq.REQUIRED, attempt.machine.hello.suites)
    impostor = Responder(policy, 22, identity_of("c"), attempt.machine.hello, Random(1).randbytes, KeyAgreement())
    body = hello.encode_server_hello(impostor.hello)
    for number in range(30):
        for packet in split(PacketType.HANDSHAKE_RESPONSE, 0, attempt.index << 8, number, 0, body, 1400):
            pair.a.inject(attempt.link, attempt.to, packet)
    pair.connect()
    assert pair.a.node.counters["wrong-identity"] == 30
    assert pair.a.node.counters["initiated"] == 1


def test_answers_that_wait_are_bounded_and_the_real_one_is_among_them() -> None:
    pair = Pair()
    pair.a.node._shared.deferring = True
    (attempt,) = pair.a.node._connecting._initiations.values()
    policy = Policy(Pq.REQUIRED, attempt.machine.hello.suites)
    real = Responder(policy, 22, identity_of("b"), attempt.machine.hello, Random(1).randbytes, KeyAgreement())
    body = hello.encode_server_hello(real.hello)
    spoilt = body[:-1] + bytes((body[-1] ^ 1,))
    for number, each in enumerate([spoilt, body, *[spoilt] * MAX_WAITING]):
        for packet in split(PacketType.HANDSHAKE_RESPONSE, 0, attempt.index << 8, number, 0, each, 1400):
            pair.a.inject(attempt.link, attempt.to, packet)
    assert pair.a.node.counters["crowded"] == 2
    while pair.a.node.handle_work(pair.network.now):
        pass
    assert pair.a.node.counters["not-authentic"] == 1
    assert [session.peer for session in pair.a.node.sessions.values()] == ["b"]


def test_a_path_that_spoils_answers_is_tried_again_until_it_does_not() -> None:
    network = Network()

    def spoil(_source: object, _to: object, packet: bytes) -> bytes:
        return packet[:-1] + bytes((packet[-1] ^ 1,)) if packet[2] == 4 else packet

    network.tamper = spoil
    pair = Pair(network)
    network.run(4.0)
    assert pair.a.node.counters["not-authentic"] >= 3
    network.tamper = None
    pair.connect()


def test_traffic_that_waits_ends_a_pause() -> None:
    network = Network()
    pair = Pair(network, scheme="tcp")
    network.take_down(HOSTS["b"])
    network.run(400.0)
    before = pair.a.node.counters["dial-failed"]
    pair.a.send("b", b"x")
    assert pair.a.node.counters["dial-failed"] == before + 1


@pytest.mark.parametrize("keepalive", [10.0, 0.0])
def test_an_endpoint_that_can_be_reached_again_is_tried_at_once_and_next(keepalive: float) -> None:
    network = Network()
    near, far = Endpoint("tcp", "192.0.2.1", 1), Endpoint("tcp", "192.0.2.2", 1)
    peer = PeerSettings("b", identity_of("b").fingerprint, (near, far), keepalive)
    a = SimulatedHost(network, HOSTS["a"], NodeSettings(), identity_of("a"), peers=(peer,))
    network.run(400.0)  # long enough for long pauses
    before = [event for event in a.events if isinstance(event, Dial)]
    for endpoint in (far, Endpoint("tcp", "192.0.2.3", 1)):
        a.node.handle_reachable("b", endpoint, network.now)
    a.node.handle_reachable("nobody", far, network.now)
    a.pump()
    dialled = [event.endpoint for event in a.events if isinstance(event, Dial)][len(before) :]
    assert dialled == ([far] if keepalive else [])  # who is called on demand only is not called without demand


def test_many_peers_wait_their_turn() -> None:
    network = Network()
    own = identity_of("b").fingerprint
    peers = tuple(
        PeerSettings(f"p{number}", f"{own}{number}", (Endpoint("udp", f"192.0.{number >> 8}.{number & 255}", 8443),))
        for number in range(2 * MAX_CONNECTING)
    )
    a = SimulatedHost(network, HOSTS["a"], NodeSettings(), identity_of("a"), peers=peers)
    assert a.node.pending == MAX_CONNECTING
    network.run(20.0)
    assert a.node.pending == MAX_CONNECTING
    assert len({event.peer for event in a.events if isinstance(event, Dial)}) == 2 * MAX_CONNECTING


@pytest.mark.parametrize("seed", range(4))
def test_a_cookie_is_returned_when_the_peer_wants_one(seed: int) -> None:
    network = Network(seed, loss=0.1 * seed)
    pair = Pair(network, b={"handshakes_per_second": 1}).connect()
    assert pair.a.node.counters["cookie-returned"] >= 1
    assert pair.b.node.counters["answered"] == 1


def test_cookies_without_end_are_not_followed() -> None:
    network = Network()

    def wants_another(_source: object, _to: object, packet: bytes) -> bytes:
        """Spoils every cookie on its way back."""
        return packet[:30] + bytes(28) + packet[58:] if packet[2] == 3 and packet[3] & FLAG_COOKIE and not packet[15] else packet

    network.tamper = wants_another
    pair = Pair(network, b={"handshakes_per_second": 1})
    network.run(0.25)
    assert pair.a.node.counters["cookie-returned"] == MAX_COOKIES
    network.run(3.75)
    assert pair.a.node.counters["cookie-returned"] <= MAX_COOKIES + 6, "one more each time the hello is due again"
    assert pair.a.node.counters["initiated"] == 1
    assert not pair.a.connected("b")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("delay", [0.001, 0.03])
def test_forged_cookies_before_and_after_the_real_one_do_not_keep_it_out(seed: int, delay: float) -> None:
    network = Network(seed)

    def forge(source: object, _to: object, packet: bytes) -> bytes:
        if packet[2] == PacketType.HANDSHAKE_INIT and packet[4:7] == bytes(3) and not packet[15]:
            opening = hello.peek_client_hello(packet[HEADER_BYTES:])
            for number in range(2):
                reply = cookie_reply(opening, bytes((number, *bytes(31))), len(packet), network.now)
                assert reply is not None
                network.clock.call_later(delay, lambda reply=reply: pair.a.inject(2, None, reply))  # type: ignore[misc]
        return packet

    network.tamper = forge
    pair = Pair(network, b={"handshakes_per_second": 1})
    assert network.run_until(pair.connected, ATTEMPT_SECONDS)
    assert pair.a.node.counters["initiated"] == 1


def test_a_full_node_calls_nobody() -> None:
    pair = Pair(a={"max_sessions": 0})
    pair.network.run(5.0)
    assert Refused("b", "session-limit") in pair.a.events
    assert pair.a.node.counters["initiated"] == 0
    pair.a.update(NodeSettings())
    pair.connect()


def test_a_dial_without_an_answer_is_given_up() -> None:
    network = Network()
    peer = PeerSettings("b", identity_of("b").fingerprint, (Endpoint("tcp", "192.0.2.1", 1),))
    a = SimulatedHost(network, HOSTS["a"], NodeSettings(), identity_of("a"), peers=(peer,))
    a._dial = lambda event: None  # type: ignore[method-assign]
    network.run(60.0)
    assert 3 < a.node.counters["dial-failed"] < 10


def test_what_waits_in_line_may_change_its_mind() -> None:
    network = Network()
    own = identity_of("b").fingerprint
    peers = tuple(PeerSettings(f"p{n}", f"{own}{n}", (Endpoint("udp", f"192.0.{n >> 8}.{n & 255}", 1),)) for n in range(300))
    a = SimulatedHost(network, HOSTS["a"], NodeSettings(), identity_of("a"), peers=peers)
    for peer in peers[MAX_CONNECTING:-1]:
        a.drop_peer(peer.name)
    a.change_peer(replace(peers[-1], endpoints=()))
    a.node.handle_candidates("p299", [], network.now)
    network.run(30.0)
    dialed = {event.peer for event in a.events if isinstance(event, Dial)}
    assert dialed == {peer.name for peer in peers[:MAX_CONNECTING]}

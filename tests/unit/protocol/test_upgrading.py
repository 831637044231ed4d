"""Sessions that move to a better path, and back to the one before when that dies; in virtual time."""

from __future__ import annotations

from appliance.api.values import Endpoint
from appliance.protocol.events import PathAsked, PathProved
from appliance.protocol.session import Session
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.protocol.upgrading import HELD_SECONDS
from appliance.protocol.ways import MAX_TRIED
from appliance.testing.network import Network
from appliance.testing.pair import HOSTS, PORT, identity_of
from appliance.testing.simulated_host import SimulatedHost
from appliance.wire import liveness
from appliance.wire.envelope import PacketType
from appliance.wire.liveness import PATH_PROBE, Ack

LINK = 1
"""The number of each host's UDP listener."""


class Streamed:
    """Two hosts with UDP listeners and a session over a stream: `a` called `b`."""

    def __init__(self, network: Network | None = None) -> None:
        self.network = network or Network(latency=0.02)
        self.hosts: dict[str, SimulatedHost] = {}
        for name in ("b", "a"):
            other = "a" if name == "b" else "b"
            at = (Endpoint("tcp", HOSTS[other], PORT),) if name == "a" else ()
            peer = PeerSettings(other, identity_of(other).fingerprint, at)
            listen = (Endpoint("udp", HOSTS[name], PORT), Endpoint("tcp", HOSTS[name], PORT))
            settings = NodeSettings()
            self.hosts[name] = SimulatedHost(
                self.network, HOSTS[name], settings, identity_of(name), peers=(peer,), listen=listen, adapts=True
            )
        self.a, self.b = self.hosts["a"], self.hosts["b"]
        assert self.network.run_until(lambda: self.a.connected("b") and self.b.connected("a"), 10.0)
        self.network.run(1.0)

    def session(self, name: str) -> Session:
        (peer,) = self.hosts[name].node.peers.values()
        assert peer.session is not None
        return self.hosts[name].node.sessions[peer.session]

    def schemes(self) -> tuple[str, str]:
        """What each side's traffic goes over."""
        ends = [self.session(name).endpoint for name in ("a", "b")]
        return tuple(end.scheme if end is not None else "" for end in ends)  # type: ignore[return-value]

    def probe(self, name: str, to: tuple[str, int] | None = None) -> None:
        other = "b" if name == "a" else "a"
        self.hosts[name].node.probe_path(other, LINK, to or (HOSTS[other], PORT), self.network.now)
        self.hosts[name].pump()

    def proved(self, name: str) -> list[Endpoint]:
        return [event.endpoint for event in self.hosts[name].events if isinstance(event, PathProved)]

    def take(self, name: str) -> bool:
        other = "b" if name == "a" else "a"
        done = self.hosts[name].node.take_path(other, Endpoint("udp", HOSTS[other], PORT), self.network.now)
        self.hosts[name].pump()
        return done

    def upgrade(self) -> Streamed:
        self.probe("a")
        self.probe("b")
        self.network.run(0.2)
        assert self.take("a")
        self.network.run(0.2)
        assert self.schemes() == ("udp", "udp")
        return self

    def talk(self, seconds: float) -> None:
        """Traffic both ways, ten times a second; the worker's once-a-second words about it included."""
        for tenth in range(round(seconds * 10)):
            for name, other in (("a", "b"), ("b", "a")):
                received = self.session(name).received
                self.hosts[name].send(other, b"x")
                if tenth % 10 == 9 and self.hosts[name].records[self.session(name).index].received == received:
                    self.hosts[name].node.handle_unanswered(self.session(name).index, self.network.now)
                    self.hosts[name].pump()
            self.network.run(0.1)


def test_a_probe_moves_nobody_and_tells_both_sides_what_works() -> None:
    pair = Streamed()
    pair.probe("a")
    pair.network.run(0.1)
    assert pair.proved("a") == [Endpoint("udp", HOSTS["b"], PORT)]
    asked = [event for event in pair.b.events if isinstance(event, PathAsked)]
    assert [(event.peer, event.source) for event in asked] == [("a", (HOSTS["a"], PORT))]
    assert pair.schemes() == ("tcp", "tcp")


def test_a_session_that_is_moved_takes_the_other_side_along_and_stays_itself() -> None:
    pair = Streamed()
    before = pair.session("a"), pair.session("b")
    pair.upgrade()
    assert (pair.session("a"), pair.session("b")) == before
    pair.talk(2.0)
    assert len(pair.a.received) == len(pair.b.received) == 20
    assert pair.schemes() == ("udp", "udp")


def test_only_what_was_proved_a_moment_ago_is_taken() -> None:
    pair = Streamed()
    assert not pair.take("a")
    pair.probe("a")
    pair.network.run(40.0)
    assert not pair.take("a")
    assert pair.schemes() == ("tcp", "tcp")


def test_an_answer_that_comes_by_another_path_proves_nothing() -> None:
    """A peer that names somebody else's address, and answers for it from its own, gets no traffic sent there."""
    pair = Streamed()
    victim = ("192.0.2.66", 53)
    session = pair.session("a")
    token = pair.a.node.probe_path("b", LINK, victim, pair.network.now)
    pair.a.pump()
    body = liveness.encode_ack(Ack(token, 1))
    pair.a.node.handle_aside(session.index, LINK, (HOSTS["b"], PORT), PacketType.ACK, body, pair.network.now, newest=True)
    pair.a.node.handle_message(session.index, PacketType.ACK, 0, body, pair.network.now)
    assert pair.proved("a") == []
    assert pair.a.node.counters["path-astray"] == 1
    assert not pair.a.node.take_path("b", Endpoint("udp", *victim), pair.network.now)


def test_tokens_cannot_be_guessed() -> None:
    pair = Streamed()
    tokens = {pair.a.node.probe_path("b", LINK, (HOSTS["b"], PORT), pair.network.now) for _ in range(50)}
    assert len({token & 0xFFFFFFFF for token in tokens}) == 50
    assert all(token & PATH_PROBE for token in tokens)


def test_probes_under_way_are_bounded() -> None:
    pair = Streamed()
    for port in range(1, 2 * MAX_TRIED):
        pair.probe("a", ("192.0.2.66", port))
    ways = pair.session("a").ways
    assert ways is not None
    assert len(ways.tried) == MAX_TRIED


def test_a_peer_that_probes_without_end_is_answered_within_bounds() -> None:
    pair = Streamed()
    for _ in range(5000):
        pair.probe("a")
    pair.network.run(0.1)
    assert 500 <= pair.b.node.counters["path-asked"] <= 600
    assert pair.b.node.counters["path-asked-too-often"] >= 4400
    pair.network.run(5.0)
    pair.upgrade()


def test_a_better_path_that_dies_leads_back_to_the_reserve_within_seconds() -> None:
    pair = Streamed().upgrade()
    pair.network.run(HELD_SECONDS)
    before = pair.session("a"), pair.session("b")
    pair.network.tamper = lambda _from, _to, _packet: None  # datagrams only
    pair.talk(4.0)
    assert pair.schemes() == ("tcp", "tcp")
    assert (pair.session("a"), pair.session("b")) == before
    assert pair.a.node.counters["fell-back"] + pair.b.node.counters["fell-back"] >= 1
    pair.network.tamper = None
    pair.upgrade()


def test_an_idle_session_goes_back_too() -> None:
    pair = Streamed().upgrade()
    pair.network.tamper = lambda _from, _to, _packet: None
    pair.network.run(20.0)
    assert pair.schemes() == ("tcp", "tcp")


def test_a_reserve_that_closes_is_none_any_more_and_the_session_goes_on() -> None:
    pair = Streamed().upgrade()
    session = pair.session("a")
    pair.network.close_streams(HOSTS["a"])
    pair.network.run(1.0)
    assert pair.session("a") is session
    assert session.ways is not None
    assert session.ways.reserve is None
    pair.talk(1.0)
    assert len(pair.b.received) == 10


def test_new_keys_stay_on_the_better_path_and_keep_the_reserve() -> None:
    pair = Streamed().upgrade()
    first = pair.session("a")
    pair.network.run(700.0)
    session = pair.session("a")
    assert session is not first
    assert pair.schemes() == ("udp", "udp")
    assert session.ways is not None
    assert session.ways.reserve is not None
    assert session.ways.reserve[0] in {link.number for link in pair.a.node._shared.links.values()}
    pair.network.tamper = lambda _from, _to, _packet: None
    pair.network.run(20.0)
    assert pair.schemes() == ("tcp", "tcp")


def test_datagrams_of_a_path_that_no_handshake_took_begin_small() -> None:
    pair = Streamed().upgrade()
    assert pair.session("a").datagram == pair.session("b").datagram == 1200


def test_the_reserve_of_a_session_that_ends_is_given_up() -> None:
    pair = Streamed().upgrade()
    pair.a.drop_peer("b")
    pair.network.run(1.0)
    assert [link.local.scheme for link in pair.a.node._shared.links.values()] == ["udp"]

"""Sessions that move to another path, in virtual time."""

from __future__ import annotations

import pytest

from appliance.protocol.events import PathChanged
from appliance.protocol.roaming import MAX_CHALLENGED
from appliance.testing.network import Network
from appliance.testing.pair import HOSTS, Pair
from appliance.wire import liveness
from appliance.wire.envelope import PacketType

VICTIM = ("192.0.2.66", 6666)


def test_a_fresh_record_sent_on_from_elsewhere_reflects_at_most_three_times_its_size() -> None:
    """Who sees a record can send it in its sender's place: the address he chose hears one question, and the peer the rest."""
    network = Network()
    pair = Pair(network).connect()
    session = pair.session("b")
    caught: list[bytes] = []
    reflected: list[bytes] = []

    def catch(_source: object, _to: object, packet: bytes) -> None:
        caught.append(packet)

    def watch(_source: object, to: object, packet: bytes) -> bytes:
        if to == VICTIM:
            reflected.append(packet)
        return packet

    network.tamper = catch
    pair.a.send("b", b"x")
    network.tamper = watch
    pair.b.inject(1, VICTIM, caught[0])
    for _ in range(1000):
        pair.b.send("a", bytes(1000))
    network.run(30.0)
    assert sum(map(len, reflected)) <= 3 * len(caught[0])
    assert len(reflected) == pair.b.node.counters["path-challenged"] == 1
    assert len(pair.a.received) == 1000
    assert pair.session("b") is session
    assert not [event for event in pair.b.events if isinstance(event, PathChanged)]
    assert session.endpoint is not None
    assert session.endpoint.host == HOSTS["a"]


def test_a_session_moves_when_the_token_sent_there_came_back() -> None:
    network = Network(latency=0.1)
    nat = network.nat(HOSTS["a"], "192.0.2.200")
    pair = Pair(network).connect()
    network.run(1.0)
    nat.rebind()
    old = pair.session("b").to
    pair.a.send("b", b"from elsewhere")
    network.run(0.25)  # it has come, and the question is there or under way
    assert (pair.session("b").to, pair.b.node.counters["path-challenged"]) == (old, 1)
    network.run(0.1)
    assert pair.session("b").to != old
    assert pair.b.node.counters["moved"] == 1
    assert not pair.session("b").challenged
    pair.b.send("a", b"found you")
    network.run(0.2)
    assert pair.a.received == [("b", b"found you")]


def test_a_lost_question_is_asked_again_with_the_next_record() -> None:
    network = Network()
    nat = network.nat(HOSTS["a"], "192.0.2.200")
    pair = Pair(network).connect()
    nat.rebind()
    network.tamper = lambda source, _to, packet: None if source[0] == HOSTS["b"] else packet
    pair.a.send("b", b"one")
    network.run(0.1)
    network.tamper = None
    assert pair.b.node.counters["moved"] == 0
    pair.a.send("b", b"two")
    network.run(0.1)
    assert pair.b.node.counters["moved"] == 1
    pair.b.send("a", b"found you")
    network.run(0.1)
    assert pair.a.received == [("b", b"found you")]


def test_made_up_paths_are_few_and_do_not_keep_the_real_one_out() -> None:
    network = Network()
    nat = network.nat(HOSTS["a"], "192.0.2.200")
    pair = Pair(network).connect()
    session, over = pair.session("b"), pair.b.node._shared.links[1]
    nat.rebind()
    pair.a.send("b", b"from elsewhere")
    for number in range(100):
        pair.b.node.handle_moved(session.index, over.number, ("192.0.2.66", 1 + number), network.now)
        pair.b.pump()
        assert len(session.challenged) <= MAX_CHALLENGED
    network.run(1.0)
    assert session.to is not None
    assert session.to[0] == "192.0.2.200"
    assert pair.b.node.counters["moved"] == 1


@pytest.mark.parametrize("token", [1 << 63, 0])
def test_another_token_proves_nothing(token: int) -> None:
    pair = Pair().connect()
    session = pair.session("b")
    pair.b.node.handle_moved(session.index, 1, VICTIM, pair.network.now)
    pair.b.node.handle_message(session.index, PacketType.ACK, 0, liveness.encode_ack(liveness.Ack(token, 1)), pair.network.now)
    assert pair.b.node.counters["moved"] == 0
    assert session.challenged


def test_a_replayed_record_moves_nobody() -> None:
    network = Network()
    seen: list[tuple[object, bytes]] = []

    def note(source: object, _to: object, packet: bytes) -> bytes:
        seen.append((source, packet))
        return packet

    pair = Pair(network).connect()
    network.tamper = note  # type: ignore[assignment]
    pair.a.send("b", b"one")
    pair.a.send("b", b"two")
    network.run(1.0)
    for _, packet in seen:
        pair.b.inject(1, ("192.0.2.66", 6666), packet)
    assert not [event for event in pair.b.events if isinstance(event, PathChanged)]
    assert pair.b.drops["replay"] == len(seen)

"""Gossipsub without a network: meshes, what was missed, and peers that send what is false or too much."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance_discovery_libp2p.gossip import messages
from appliance_discovery_libp2p.gossip.messages import Message, Rpc
from appliance_discovery_libp2p.gossip.router import (
    BACKOFF_SECONDS,
    D_HIGH,
    D_LOW,
    MOST_FAULTS,
    MOST_MESSAGES,
    MOST_TOPICS,
    MOST_WANTED,
    D,
    Router,
)
from appliance_discovery_libp2p.wire import protobuf
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed

TOPIC = "/llp/topic"
LIAR = OwnKey(bytes([99]) * 32)


def good(data: bytes) -> bool:
    return data != b"bad"


def router(number: int = 1) -> Router:
    return Router(OwnKey(number.to_bytes(32, "big")), Random(number).random, 0)


class Crowd:
    """Routers that are connected as the test says, and hear what the others say when the test says."""

    def __init__(self, count: int, links: Callable[[int, int], bool]) -> None:
        self.now = 0.0
        self.routers = {OwnKey(number.to_bytes(32, "big")).peer: router(number) for number in range(1, count + 1)}
        self.sent = 0
        names = list(self.routers)
        for one, peer in enumerate(names):
            for other, known in enumerate(names):
                if one < other and links(one, other):
                    self.routers[peer].connected(known)
                    self.routers[known].connected(peer)

    def __getitem__(self, index: int) -> Router:
        return list(self.routers.values())[index]

    def run(self, beats: int = 0) -> None:
        for _ in range(beats + 1):
            while any(one.say for one in self.routers.values()):
                for peer, one in self.routers.items():
                    said, one.say = one.say, []
                    for to, rpc in said:
                        self.sent += bool(messages.read(rpc).messages)
                        all_of(self.routers[to], peer, rpc, self.now)
            self.now += 1
            for one in self.routers.values():
                one.beat(self.now)


def subscribed(crowd: Crowd) -> Crowd:
    for one in crowd.routers.values():
        one.subscribe(TOPIC, good, 0.0)
    crowd.run(3)
    return crowd


def test_a_message_reaches_all_over_several_hops_and_each_hears_it_once() -> None:
    crowd = subscribed(Crowd(40, lambda one, other: (other - one) % 40 in {1, 2, 3, 37, 38, 39}))
    crowd.sent = 0
    crowd[0].publish(TOPIC, b"hello", crowd.now)
    crowd.run(3)
    assert [[message.data for message in one.heard] for one in crowd.routers.values()] == [[]] + [[b"hello"]] * 39
    assert crowd.sent < 40 * D


def test_meshes_are_neither_too_small_nor_too_large() -> None:
    crowd = subscribed(Crowd(30, lambda one, other: True))
    crowd.run(5)
    sizes = [len(one.mesh(TOPIC)) for one in crowd.routers.values()]
    assert min(sizes) >= D_LOW
    assert max(sizes) <= D_HIGH


def test_who_missed_a_message_hears_of_it_and_asks() -> None:
    crowd = subscribed(Crowd(2, lambda one, other: True))
    first, second = crowd[0], crowd[1]
    peers = list(crowd.routers)
    first.publish(TOPIC, b"lost", crowd.now)
    first.say.clear()  # on the way
    first._topics[TOPIC].mesh.clear()
    second._topics[TOPIC].mesh.clear()
    first._peers[peers[1]].backoff[TOPIC] = second._peers[peers[0]].backoff[TOPIC] = crowd.now + 60
    crowd.run(2)
    assert [message.data for message in second.heard] == [b"lost"]


def test_what_is_refused_is_not_forwarded() -> None:
    crowd = subscribed(Crowd(3, lambda one, other: other - one == 1))
    crowd[0].publish(TOPIC, b"bad", crowd.now)
    crowd.run(1)
    assert crowd[1].counted["gossip refused"] == 1
    assert not crowd[1].heard
    assert not crowd[2].heard


def test_a_peer_that_leaves_and_a_topic_that_is_left() -> None:
    crowd = subscribed(Crowd(2, lambda one, other: True))
    peers = list(crowd.routers)
    assert crowd[0].shares(peers[1])
    crowd[1].unsubscribe(TOPIC)
    crowd.run(1)
    assert not crowd[0].mesh(TOPIC)
    assert not crowd[0].shares(peers[1])
    crowd[0].gone(peers[1])
    all_of(crowd[0], peers[1], b"\xff", 0)  # whoever is gone is not listened to
    assert crowd[0].publish(TOPIC, b"nobody", crowd.now) == 0


@pytest.fixture
def alone() -> Router:
    """A router with one peer, the liar."""
    made = router()
    made.subscribe(TOPIC, good, 0.0)
    made.connected(LIAR.peer)
    made.say.clear()
    return made


def hears(one: Router, rpc: Rpc, now: float = 0.0) -> list[Rpc]:
    """What it says to the liar's words."""
    all_of(one, LIAR.peer, messages.write(rpc), now)
    said, one.say = one.say, []
    return [messages.read(data) for _, data in said]


def test_forged_messages_are_not_heard_and_expel_their_sender(alone: Router) -> None:
    honest = messages.signed(OwnKey(bytes(32)), TOPIC, b"data", 1)
    forged = [
        honest._replace(data=b"other"),
        honest._replace(origin=LIAR.peer),
        honest._replace(topic=TOPIC, number=b"\x09"),
        honest._replace(public=LIAR.public),
        honest._replace(signature=bytes(64)),
    ]
    for message in forged:
        hears(alone, Rpc(messages=(message,)))
    assert alone.counted["gossip signature"] == len(forged)
    assert alone.heard == []
    assert alone.expelled == []
    for _ in range(MOST_FAULTS // 10):
        hears(alone, Rpc(messages=tuple(forged)))
    assert alone.expelled == [LIAR.peer]


def test_a_flood_of_messages_is_judged_as_far_as_there_is_room(alone: Router) -> None:
    flood = [messages.signed(LIAR, TOPIC, b"%d" % number, number) for number in range(MOST_MESSAGES + 150)]
    for begin in range(0, len(flood), 20):
        hears(alone, Rpc(messages=tuple(flood[begin : begin + 20])))
    assert len(alone.heard) == MOST_MESSAGES
    assert alone.expelled == [LIAR.peer]
    alone.beat(1.0)
    hears(alone, Rpc(messages=(messages.signed(LIAR, TOPIC, b"later", 9999),)))
    assert len(alone.heard) == MOST_MESSAGES + 1


def test_topics_of_others_cost_nothing_and_are_few(alone: Router) -> None:
    hears(alone, Rpc(messages=(messages.signed(LIAR, "/other", b"data", 1),), graft=("/other",)))
    assert (alone.heard, alone.counted.total(), alone.mesh("/other")) == ([], 0, frozenset())
    for begin in range(0, 1000, 100):
        hears(alone, Rpc(subscriptions=tuple((f"/{number}", True) for number in range(begin, begin + 100))))
    assert len(alone._peers[LIAR.peer].topics) == MOST_TOPICS
    assert alone.counted["gossip topics"] == 1000 - MOST_TOPICS


def test_invented_ids_are_asked_for_up_to_a_bound(alone: Router) -> None:
    asked = []
    for begin in range(0, 1000, 100):
        ids = tuple(b"%d" % number for number in range(begin, begin + 100))
        asked += [name for rpc in hears(alone, Rpc(have=((TOPIC, ids), ("/other", ids)))) for name in rpc.want]
    assert len(asked) == len(set(asked)) == MOST_WANTED


def test_one_that_asks_again_and_again_gets_little(alone: Router) -> None:
    alone.publish(TOPIC, b"x" * 1000, 0.0)
    name = next(iter(alone.memory._kept))
    given = [rpc for _ in range(500) for rpc in hears(alone, Rpc(want=(name,))) if rpc.messages]
    assert len(given) == 3
    assert alone.expelled == [LIAR.peer]


def test_grafting_during_the_back_off_is_a_fault(alone: Router) -> None:
    assert hears(alone, Rpc(graft=(TOPIC,))) == []
    assert alone.mesh(TOPIC) == {LIAR.peer}
    hears(alone, Rpc(prune=((TOPIC, 10**9),)))
    assert hears(alone, Rpc(graft=(TOPIC,)), BACKOFF_SECONDS - 1)[0].prune == ((TOPIC, BACKOFF_SECONDS),)
    assert alone.counted["gossip graft"] == 1
    assert alone.mesh(TOPIC) == frozenset()
    assert hears(alone, Rpc(graft=(TOPIC,)), 3601.0) == []
    assert alone.mesh(TOPIC) == {LIAR.peer}


def test_a_full_mesh_takes_nobody_more() -> None:
    one = router()
    one.subscribe(TOPIC, good, 0.0)
    peers = [OwnKey(number.to_bytes(32, "big")).peer for number in range(2, 30)]
    for peer in peers:
        one.connected(peer)
        all_of(one, peer, messages.write(Rpc(graft=(TOPIC,))), 0.0)
    assert len(one.mesh(TOPIC)) == D_HIGH
    one.beat(1.0)
    assert len(one.mesh(TOPIC)) == D_HIGH


def test_malformed_messages_are_counted_and_the_good_ones_beside_them_heard(alone: Router) -> None:
    fine = messages.signed(LIAR, TOPIC, b"data", 1)
    written = messages.write(Rpc(messages=(fine,))) + protobuf.write((2, b"\xff"), (2, b""), (2, bytes(3)))
    all_of(alone, LIAR.peer, written, 0.0)
    assert [message.data for message in alone.heard] == [b"data"]
    assert alone._peers[LIAR.peer].faults == 30
    with pytest.raises(Malformed):
        all_of(alone, LIAR.peer, b"\xff\xff", 0.0)
    with pytest.raises(Malformed):
        all_of(alone, LIAR.peer, protobuf.write((1, protobuf.write((1, 1), (2, b"\xff\xff")))), 0.0)


def test_a_message_comes_back_from_its_bytes() -> None:
    message = messages.signed(LIAR, TOPIC, b"data", 7)
    rpc = Rpc(((TOPIC, True), ("/x", False)), (message,), ((TOPIC, (b"1", b"2")),), (b"3",), (TOPIC,), ((TOPIC, 60),))
    assert messages.read(messages.write(rpc)) == rpc
    messages.verify(message)
    assert message.id == LIAR.peer + (7).to_bytes(8, "big")
    assert Message(LIAR.peer, None, b"1", TOPIC).public is None


@given(st.binary(max_size=300))
def test_nothing_else_than_a_refusal_comes_of_any_bytes(data: bytes) -> None:
    one = router()
    one.connected(LIAR.peer)
    try:
        all_of(one, LIAR.peer, data, 0.0)
    except Malformed:
        return


def all_of(one: Router, peer: bytes, data: bytes, now: float) -> None:
    """Have it look at all that the peer says."""
    deque(one.receive(peer, data, now), maxlen=0)

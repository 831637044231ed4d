"""Hundreds of members of a hash table in virtual time (rigs/kademlia.py), a thousand in the long form.

A fifth comes and goes, and a tenth is hostile.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator
from math import log2

import pytest
from rigs.kademlia import NETWORK, Node, Society, digest_of, sign

from appliance.knowledge.dht.ids import BITS, key_id, node_id, pack_id
from appliance.knowledge.dht.jobs import Finished
from appliance.knowledge.dht.node import Dht
from appliance.knowledge.dht.publishing import REPUBLISH_SECONDS
from appliance.knowledge.dht.store import value_of
from appliance.knowledge.dht.wire import ASKED_BY, K, Kind, Packed, Verdict, pack_answer, read_id
from appliance.knowledge.effects import Ask
from appliance.knowledge.signed import Record, sign_record

pytestmark = [
    pytest.mark.no_cover,  # the same code is measured by its own tests; here it would take three times as long
    pytest.mark.timeout(900),
]


@pytest.fixture(autouse=True)
def _no_garbage() -> Iterator[None]:
    gc.disable()  # looking through a million entries again and again is a third of the time
    yield
    gc.enable()


class Silent(Node):
    """Takes every session and answers nothing, once it is in everybody's table."""

    def answer(self, peer: bytes, ask: Ask) -> bytes | None:
        return None


class Liar(Node):
    """Names only its accomplices, wherever they are, and says that it keeps what it throws away."""

    def answer(self, peer: bytes, ask: Ask) -> bytes | None:
        if ask.kind == Kind.STORE:
            return bytes((Verdict.KEPT,))
        accomplices = [node.digest for node in self.society.nodes.values() if isinstance(node, Liar) and node.up]
        return pack_answer(self.society.random.sample(accomplices, min(K, len(accomplices))))


class Forger(Liar):
    """And gives false values: of other members' names, of another key, of another network."""

    def answer(self, peer: bytes, ask: Ask) -> bytes | None:
        kind, point = Kind(ask.kind), read_id(ask.body)
        if kind not in ASKED_BY or point is None:
            return super().answer(peer, ask)
        type_, now = ASKED_BY[kind], int(self.society.wall)
        victim = self.society.random.choice(list(self.society.nodes))
        false = [
            (NETWORK, victim, point),
            (NETWORK, self.digest, point ^ 1),
            (bytes(32), self.digest, point),
        ]
        records = [
            sign_record(Record(network, member, 2**62, now, now + 600, pack_id(about) + b"false"), type_.purpose, self._sign)
            for network, member, about in false
        ]
        return pack_answer([], [Packed(type_, record.encoded) for record in records])

    def _sign(self, said: bytes) -> bytes:
        return sign(self.key, said)


def society_of(size: int, hostile: float) -> Society:
    kinds = (Silent, Liar, Forger)

    def make(society: Society, number: int) -> Node:
        return kinds[number % 3](society, number) if number < size * hostile else Node(society, number)

    society = Society(size, make=make)
    society.settle()
    return society


def honest(society: Society) -> list[Node]:
    return [node for node in society.up if type(node) is Node]


def change(society: Society, share: float, within: float) -> None:
    """A share of the members dies, one after the other, and as many new ones come."""
    for node in society.random.sample(honest(society), int(share * len(society.nodes))):
        society.clock.call_later(within * society.random.random(), node.stop)
        newcomer = functools.partial(lambda: society.join(society.add()))
        society.clock.call_later(within * society.random.random(), newcomer)


@pytest.mark.parametrize(("size", "keys"), [(300, 60), pytest.param(1000, 500, marks=pytest.mark.slow)])
def test_look_ups_are_right_while_a_fifth_comes_and_goes_and_a_tenth_lies(size: int, keys: int) -> None:
    society = society_of(size, hostile=0.1)
    society.run(5.0)
    draw = society.random
    writers, taken, looked, right = list[Node](), list[Finished](), list[Finished](), 0
    for number in range(keys):
        writers.append(draw.choice(honest(society)))
        taken.append(society.look_up(writers[-1], Dht.put, b"key %d" % number, b"value %d" % number, 3600))
    change(society, 0.2, float(keys))
    for number, writer in enumerate(writers):
        society.run(1.0)
        for _ in range(3):
            looked.append(society.look_up(draw.choice(honest(society)), Dht.get, b"key %d" % number))
            right += [(each.member, value_of(each)) for each in looked[-1].records] == [(writer.digest, b"value %d" % number)]
        sought = draw.choice(honest(society))
        looked.append(society.look_up(draw.choice(honest(society)), Dht.find, sought.digest))
        right += looked[-1].contacts[:1] == (sought.digest,) or not sought.up
    assert all(each.ok for each in taken)
    assert right / len(looked) >= 0.99
    assert max(each.hops for each in looked) <= log2(size)
    assert max(each.seconds for each in (*looked, *taken)) <= 5.0
    blamed = {society.nodes[deed.member] for node in honest(society) for deed in node.deeds if deed.points <= -10}
    assert blamed
    assert {type(node) for node in blamed} == {Forger}, "nobody honest is taken for hostile"


def test_members_whose_ids_were_ground_do_not_hide_what_is_under_a_key() -> None:
    society = society_of(300, hostile=0.0)
    key = key_id(NETWORK, b"the key")
    sybils = [number for number in range(1000, 200_000) if (node_id(NETWORK, digest_of(number)) ^ key) >> BITS - 12 == 0][:30]
    assert len(sybils) == 30
    for number in sybils:
        society.join(society.add(lambda society, _number, number=number: Liar(society, number)))
    society.run(120.0)
    writer, reader, *_ = honest(society)
    assert society.look_up(writer, Dht.put, b"the key", b"here", 3600).ok
    assert [value_of(each) for each in society.look_up(reader, Dht.get, b"the key").records] == [b"here"]


def test_what_is_put_outlives_all_that_kept_it_first() -> None:
    society = society_of(80, hostile=0.0)
    writer = honest(society)[0]
    assert society.look_up(writer, Dht.put, b"key", b"value", 86400).stored_at == K
    writer.stop()
    first = [node for node in society.up if node.dht.store.total]
    for node in first[2:]:
        node.stop()
    society.run(2.2 * REPUBLISH_SECONDS)
    second = [node for node in society.up if node.dht.store.total and node not in first]
    assert len(second) >= K / 2, "the two that were left have written it again"
    for node in first[:2]:
        node.stop()
    assert society.look_up(society.up[0], Dht.get, b"key").ok


def test_an_idle_node_asks_little() -> None:
    society = society_of(200, hostile=0.0)
    society.run(600.0)
    before = society.counters["asked"]
    society.run(600.0)
    assert (society.counters["asked"] - before) / len(society.nodes) / 10 <= 6, "questions in a minute"

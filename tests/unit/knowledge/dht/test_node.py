"""A node of the hash table among others, in virtual time: what programs put is found, wherever it is asked for."""

from __future__ import annotations

from rigs.kademlia import Society

from appliance.knowledge.dht.node import Dht
from appliance.knowledge.dht.store import value_of


def founded(size: int) -> Society:
    society = Society(size)
    society.found()
    return society


def test_what_one_puts_any_other_gets() -> None:
    society = founded(60)
    first, *others = society.up
    put = society.look_up(first, Dht.put, b"door", b"open", 600)
    assert put.ok
    assert put.stored_at == 20
    for other in others[::7]:
        got = society.look_up(other, Dht.get, b"door")
        assert [(record.member, value_of(record)) for record in got.records] == [(first.digest, b"open")]
        assert got.seconds < 5


def test_a_member_is_found_by_its_identity_alone() -> None:
    society = founded(60)
    first, *others = society.up
    for other in others[::7]:
        found = society.look_up(first, Dht.find, other.digest)
        assert found.ok
        assert found.contacts[0] == other.digest

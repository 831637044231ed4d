"""Newcomers are handed what they are closer to."""

from __future__ import annotations

from rigs.kademlia import Society

from appliance.knowledge.dht.handover import MOST_NEW, STEP_PLACES, STEP_RECORDS, Handover
from appliance.knowledge.dht.node import SETTLED_SECONDS, Dht
from appliance.knowledge.dht.store import Store
from appliance.knowledge.dht.table import Table
from appliance.knowledge.dht.wire import K, Type
from tests.unit.knowledge.dht.writers import MEMBERS, WALL, id_of, record, store_of


def handover(records: int, known: int = 1) -> tuple[Handover, Table, Store]:
    table = Table(id_of(MEMBERS[0]))
    store = store_of(table.own)
    for member in MEMBERS[1 : known + 1]:
        table.heard(member, id_of(member), 0.0)
    for number in range(records):
        store.keep(Type.VALUE, record(table.own ^ number, b"", number % 200), 0.0, WALL)
    return Handover(table, store), table, store


def test_a_newcomer_is_handed_all_that_it_is_to_keep_in_portions() -> None:
    one, _, store = handover(records=150)
    one.meet(MEMBERS[1], 0.0)
    handed = []
    while one.due < float("inf"):
        member, records = one.step(one.due)
        assert member == MEMBERS[1]
        assert len(records) <= STEP_RECORDS
        handed += records
    assert sorted(handed) == sorted(held.packed for held in store)


def test_what_it_is_not_closer_to_than_twenty_others_stays() -> None:
    one, table, store = handover(records=0, known=300)
    nearest = table.closest(table.own, 2 * K)
    store.keep(Type.VALUE, record(table.own, writer=5), 0.0, WALL)
    one.meet(nearest[-1].member, 0.0)
    assert one.step(1.0)[1] == []
    one.meet(nearest[0].member, 0.0)
    assert len(one.step(2.0)[1]) == 1
    farthest = table.closest(table.own ^ ((1 << 160) - 1), 1)[0]
    one.meet(farthest.member, 0.0)
    assert one.due == float("inf"), "nothing near this node is near that one"


def test_who_is_gone_gets_nothing_and_many_newcomers_have_an_end() -> None:
    one, table, _ = handover(records=STEP_PLACES, known=200)
    for member in MEMBERS[1:]:
        one.meet(member, 0.0)
    assert len(one._new) == MOST_NEW
    member, *_ = one._new[0]
    table.remove(member)
    assert one.step(1.0) == (member, [])


def test_a_member_that_comes_close_to_a_key_has_its_record_within_a_minute() -> None:
    society = Society(40)
    society.found()
    society.run(SETTLED_SECONDS)
    writer, *_ = society.up
    assert society.look_up(writer, Dht.put, b"key", b"value", 86400).ok
    newcomers = [society.add() for _ in range(30)]
    for node in newcomers:
        society.join(node)
    society.run(60.0)
    assert society.counters["asked-store"] < 19 + 10 * len(newcomers), "two hand it over, not all"
    point = next(iter(writer.dht._publishing)).place[1]
    closest = sorted(society.up, key=lambda node: node.dht.id ^ point)[:10]
    assert set(newcomers) & set(closest)
    assert all(node.dht.store.total for node in closest)

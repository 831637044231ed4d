"""What a node keeps for others, and where it ends."""

from __future__ import annotations

import pytest
from rigs.kademlia import NETWORK

from appliance.knowledge.dht import store as module
from appliance.knowledge.dht.ids import place_id
from appliance.knowledge.dht.store import MOST_BYTES_OF_WRITER, MOST_OF_WRITER, point_of, value_of
from appliance.knowledge.dht.wire import MOST_RECORDS, MOST_UNDER, MOST_VALUE, RECORD_HEAD, Type, Verdict
from tests.unit.knowledge.dht.writers import MEMBERS, WALL, id_of, record, store_of

VALUE, PROVIDER = Type.VALUE, Type.PROVIDER
LONG = bytes(MOST_VALUE)


def test_of_one_writer_the_latest_record_is_kept_and_of_two_writers_both() -> None:
    store = store_of()
    assert store.keep(VALUE, record(5, b"old", sequence=1), 0.0, WALL) is Verdict.KEPT
    assert store.keep(VALUE, record(5, b"new", sequence=2), 0.0, WALL) is Verdict.KEPT
    assert store.keep(VALUE, record(5, b"old", sequence=1), 0.0, WALL) is Verdict.OLDER, "replayed"
    assert store.keep(VALUE, record(5, b"mine", 1), 0.0, WALL) is Verdict.KEPT
    assert {value_of(each) for each in store.under(VALUE, 5, WALL)} == {b"new", b"mine"}
    assert (store.total, store.total_bytes) == (2, sum(len(each.record.encoded) for each in store))
    assert store.under(PROVIDER, 5, WALL) == []
    assert [point_of(each.record) for each in store] == [5, 5]


def test_two_records_of_one_sequence_come_to_the_same_everywhere() -> None:
    one, other = record(5, b"one"), record(5, b"other")
    for first, second in ((one, other), (other, one)):
        store = store_of()
        store.keep(VALUE, first, 0.0, WALL)
        store.keep(VALUE, second, 0.0, WALL)
        assert store.under(VALUE, 5, WALL) == [max(one, other, key=lambda each: each.encoded)]


def test_what_expired_or_was_written_by_who_is_no_member_goes() -> None:
    store = store_of()
    for writer, seconds in ((0, 10), (1, 100), (2, 100)):
        store.keep(VALUE, record(5, writer=writer, seconds=seconds), 0.0, WALL)
    assert len(store.under(VALUE, 5, WALL + 10)) == 2
    assert store.sweep({MEMBERS[0], MEMBERS[1]}, WALL + 10) == 2
    assert [held.record.member for held in store] == [MEMBERS[1]]


@pytest.mark.parametrize("type_", Type)
def test_what_expired_takes_no_room(type_: Type) -> None:
    store = store_of()
    for writer in range(MOST_UNDER[type_]):
        store.keep(type_, record(5, b"", writer, type_=type_, seconds=10), 0.0, WALL)
    assert store.keep(type_, record(5, b"", 399, type_=type_), 0.0, WALL + 10) is Verdict.KEPT
    assert store.total == 1


def by_distance(point: int, number: int) -> list[int]:
    """So many writers, the closest to the point first."""
    return sorted(range(number), key=lambda writer: id_of(MEMBERS[writer]) ^ point)


@pytest.mark.parametrize("type_", Type)
def test_so_many_writers_have_room_under_one_key(type_: Type) -> None:
    store = store_of()
    *nearer, farthest = by_distance(5, MOST_UNDER[type_] + 1)
    verdicts = [store.keep(type_, record(5, b"", writer, type_=type_), 0.0, WALL) for writer in (*nearer, farthest)]
    assert verdicts == [Verdict.KEPT] * MOST_UNDER[type_] + [Verdict.CROWDED]
    assert store.keep(type_, record(5, b"", nearer[-1], sequence=2, type_=type_), 0.0, WALL) is Verdict.KEPT, "its own place"
    assert store.keep(type_, record(5, b"", farthest, type_=type_), 0.0, WALL + 600) is Verdict.KEPT, "the others have expired"


def test_what_is_under_a_key_fits_into_an_answer() -> None:
    store = store_of()
    verdicts = [store.keep(VALUE, record(5, LONG, writer), 0.0, WALL) for writer in by_distance(5, 20)]
    assert verdicts[:11] == [Verdict.KEPT] * 11
    assert verdicts[11:] == [Verdict.CROWDED] * 9
    assert sum(RECORD_HEAD + len(each.record.encoded) for each in store) <= MOST_RECORDS


@pytest.mark.parametrize(("value", "room"), [(b"", 32), (LONG, 11)])
def test_whoever_comes_first_all_who_keep_a_key_have_the_same_writers_in_the_end(value: bytes, room: int) -> None:
    nearest = by_distance(5, 60)[:room]
    for order in (range(60), reversed(range(60))):
        store = store_of()
        for writer in order:
            store.keep(VALUE, record(5, value, writer), 0.0, WALL)
        assert {each.member for each in store.under(VALUE, 5, WALL)} == {MEMBERS[writer] for writer in nearest}
        assert (store.total, store.total_bytes) == (room, sum(len(each.record.encoded) for each in store))


def test_nobody_crowds_a_member_out_of_where_it_stands_how_it_is_called() -> None:
    point = place_id(NETWORK, MEMBERS[399])
    store = store_of()
    for writer in by_distance(point, 100)[: MOST_UNDER[VALUE]]:
        assert store.keep(VALUE, record(point, b"", writer), 0.0, WALL) is Verdict.KEPT
    assert store.keep(VALUE, record(point, LONG, 399), 0.0, WALL) is Verdict.KEPT
    assert MEMBERS[399] in {each.member for each in store.under(VALUE, point, WALL)}
    assert sum(RECORD_HEAD + len(each.record.encoded) for each in store) <= MOST_RECORDS


def test_one_writer_fills_its_share_and_no_more() -> None:
    store = store_of()
    for number in range(MOST_OF_WRITER):
        assert store.keep(VALUE, record(number, b""), 0.0, WALL) is Verdict.KEPT
    assert store.keep(VALUE, record(9999, b""), 0.0, WALL) is Verdict.SHARE
    assert store.keep(VALUE, record(9999, b"", 1), 0.0, WALL) is Verdict.KEPT
    store = store_of()
    while store.keep(VALUE, record(store.total, LONG), 0.0, WALL) is Verdict.KEPT:
        pass
    assert store.total_bytes <= MOST_BYTES_OF_WRITER < store.total_bytes + 2 * len(LONG)


@pytest.mark.parametrize("limit", ["MOST", "MOST_BYTES"])
def test_in_a_full_store_many_records_of_a_few_give_way_to_those_of_many(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(module, limit, 40 if limit == "MOST" else 40 * len(record(1).encoded))
    store = store_of()
    for number in range(40):
        assert store.keep(VALUE, record(2000 + number, writer=number % 2), 0.0, WALL) is Verdict.KEPT
    assert store.keep(VALUE, record(9999, writer=0), 0.0, WALL) is Verdict.FULL
    for writer in range(2, 20):
        assert store.keep(VALUE, record(9999, writer=writer), 0.0, WALL) is Verdict.KEPT
    assert store.total == 40
    assert len(store.under(VALUE, 9999, WALL)) == 18
    assert store.under(VALUE, 2000, WALL), "the farthest went"

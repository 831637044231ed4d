"""A node of the hash table: what programs ask of it, alone and among others in virtual time, and whatever members send it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.kademlia import NETWORK, Society

from appliance.knowledge.dht.ids import MOST_KEY, key_id, pack_id
from appliance.knowledge.dht.node import FRESH_SECONDS, REFRESH_SECONDS, REFRESHED, Dht
from appliance.knowledge.dht.publishing import MOST_OWN, REPUBLISH_SECONDS
from appliance.knowledge.dht.searching import DhtRefused
from appliance.knowledge.dht.store import value_of
from appliance.knowledge.dht.wire import MOST_VALUE, Kind, Packed, Type, pack_answer, pack_records
from appliance.knowledge.signed import MOST_SECONDS
from tests.unit.knowledge.dht.writers import KEYS, MEMBERS, WALL, know, node, packed, record

PEER = MEMBERS[1]


def founded(size: int = 60) -> Society:
    society = Society(size)
    society.found()
    return society


# ---- among others ----


def test_what_one_puts_any_other_gets_and_the_latest_value_counts() -> None:
    society = founded()
    first, second, *others = society.up
    put = society.look_up(first, Dht.put, b"door", b"open", 600)
    assert (put.ok, put.stored_at) == (True, 20)
    for other in others[::9]:
        got = society.look_up(other, Dht.get, b"door")
        assert [(each.member, value_of(each)) for each in got.records] == [(first.digest, b"open")]
        assert got.seconds < 5
    society.look_up(second, Dht.put, b"door", b"locked", 600)
    society.look_up(first, Dht.put, b"door", b"shut", 600)
    for other in others[::9]:
        got = society.look_up(other, Dht.get, b"door")
        assert [value_of(each) for each in got.records] == [b"shut", b"locked"], "of each writer one, the last one first"
    assert not society.look_up(others[0], Dht.get, b"window").ok


def test_what_a_member_provides_is_found_until_it_withdraws_it() -> None:
    society = founded()
    first, second, other = society.up[:3]
    for each in (first, second):
        assert society.look_up(each, Dht.provide, b"film", 2 * REPUBLISH_SECONDS).ok
    assert set(society.look_up(other, Dht.providers, b"film").providers) == {first.digest, second.digest}
    assert not society.look_up(other, Dht.get, b"film").ok
    first.dht.withdraw(b"film", society.now, society.wall)
    assert len(first.dht.kept()) == first.dht.store.total
    society.run(2 * REPUBLISH_SECONDS + 60.0)
    assert not society.look_up(other, Dht.providers, b"film").ok, "what nobody writes again expires"


def test_a_member_is_found_by_its_identity_alone_and_one_that_is_not_there_is_not() -> None:
    society = founded()
    first, other, gone = society.up[:3]
    found = society.look_up(first, Dht.find, other.digest)
    assert (found.ok, found.contacts[0]) == (True, other.digest)
    gone.stop()
    found = society.look_up(first, Dht.find, gone.digest)
    assert not found.ok
    assert len(found.contacts) == 20, "those near it"
    assert found.seconds <= 5
    assert society.look_up(first, Dht.find, first.digest).ok


def test_records_come_back_after_a_restart() -> None:
    society = founded(30)
    first, *others = society.up
    society.look_up(first, Dht.put, b"mine", b"1", 86400)
    society.look_up(others[0], Dht.put, b"theirs", b"2", 86400)
    kept = first.dht.kept()
    assert len(kept) == 1 + first.dht.store.total
    first.stop()
    first.start()
    first.dht.remember([*kept, b"", b"\1nonsense", b"\0" + kept[0][:-1]], society.now, society.wall)
    assert sorted(first.dht.kept()) == sorted(kept)
    for other in others:
        other.dht.store.sweep((), society.wall)
    first.connected(others[0].digest)
    society.run(2 * REFRESH_SECONDS)
    assert [value_of(each) for each in society.look_up(others[1], Dht.get, b"mine").records] == [b"1"], (
        "it is written again at once"
    )


def test_what_nobody_could_keep_is_written_again_when_somebody_is_there() -> None:
    society = Society(30)
    first, *others = society.nodes.values()
    society.join(first)
    assert society.look_up(first, Dht.put, b"key", b"value", 600).stored_at == 1, "itself"
    for other in others:
        society.join(other)
    society.run(4 * REFRESH_SECONDS)
    first.stop()
    assert society.look_up(others[5], Dht.get, b"key").ok


def test_at_each_refresh_a_few_members_are_asked_that_were_not_heard_for_long() -> None:
    dht = node()
    know(dht, *range(1, 9))
    know(dht, 9, now=FRESH_SECONDS)
    dht._self_at = 1e9
    asked = []
    for now in (FRESH_SECONDS + 10, FRESH_SECONDS + 90):
        dht.due(now, WALL)
        assert len(dht.asked) == REFRESHED
        for ask in dht.asked:
            dht.answered(ask.number, pack_answer([]), now, WALL)
        asked += [ask.peer for ask in dht.asked]
        dht.asked.clear()
    assert asked == MEMBERS[1:7]


# ---- what programs may ask ----


def test_what_is_too_long_or_lasts_too_long_is_refused_with_a_hint() -> None:
    dht = node()
    for key, value, seconds in (
        (b"", b"", 60),
        (bytes(MOST_KEY + 1), b"", 60),
        (b"k", bytes(MOST_VALUE + 1), 60),
        (b"k", b"", 0.5),
        (b"k", b"", MOST_SECONDS + 1),
        (b"k", b"", float("nan")),
    ):
        with pytest.raises(DhtRefused) as refused:
            dht.put(key, value, seconds, 0.0, WALL)
        assert refused.value.hint
    for verb in (dht.get, dht.providers, dht.withdraw):
        with pytest.raises(DhtRefused):
            verb(b"", 0.0, WALL)
    assert dht.put(bytes(MOST_KEY), bytes(MOST_VALUE), MOST_SECONDS, 0.0, WALL)


def test_a_node_writes_so_many_records_and_not_more() -> None:
    dht = node()
    for number in range(MOST_OWN):
        dht.put(b"key %d" % number, b"", 600, 0.0, WALL)
    with pytest.raises(DhtRefused):
        dht.put(b"one more", b"", 600, 0.0, WALL)
    dht.put(b"key 1", b"again", 600, 0.0, WALL)
    dht.withdraw(b"key 2", 0.0, WALL)
    dht.put(b"one more", b"", 600, 0.0, WALL)
    assert dht.figures()["own"] == MOST_OWN


def test_an_admin_adds_who_answers_and_removes_whom_he_likes() -> None:
    dht = node()
    dht.add(PEER, 0.0, WALL)
    dht.add(bytes(32), 0.0, WALL)
    dht.add(dht.own, 0.0, WALL)
    (ask,) = dht.asked
    assert dht.nodes() == []
    dht.answered(ask.number, pack_answer([]), 0.1, WALL)
    (contact,) = dht.nodes()
    assert (contact.member, contact.heard, contact.proved) == (PEER, 0.1, 0.1)
    dht.remove(PEER, 1.0)
    dht.remove(PEER, 1.0)
    assert dht.nodes() == []
    dht.connected(PEER, 2.0)
    assert len(dht.asked) == 1, "it is not asked back in by itself at once"
    dht.add(PEER, 3.0, WALL)
    assert len(dht.asked) == 2


def test_figures_say_how_much_there_is_of_what() -> None:
    dht = node()
    know(dht, 1, 2, 3)
    own = dht.id
    body = pack_records(
        [packed(record(own)), packed(record(own, b"", type_=Type.PROVIDER), Type.PROVIDER), packed(record(own, key=b"x"))]
    )
    dht.answer(PEER, Kind.STORE, body, 0.0, WALL)
    figures = dht.figures()
    expected = {"nodes": 3, "records": 1, "providers": 1, "own": 0, "lookups": 0, "forged": 1, "store-kept": 2}
    assert {name: figures[name] for name in expected} == expected
    assert figures["bytes"] == dht.store.total_bytes
    assert 1 <= figures["buckets"] <= 3


# ---- whatever members send ----

BODIES = st.one_of(
    st.binary(max_size=80),
    st.binary(min_size=20, max_size=20),
    st.builds(lambda number: pack_answer(MEMBERS[number : number + 20]), st.integers(0, 300)),
    st.builds(
        lambda point, writer, sequence, junk: pack_records([packed(record(point, b"x", writer, sequence=sequence))]) + junk,
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(0, 9),
        st.sampled_from((b"", b"x")),
    ),
    st.builds(lambda writer: pack_answer([PEER], [packed(record(key_id(NETWORK, b"key"), b"v", writer))]), st.integers(0, 40)),
)
STEPS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9), st.sampled_from([*Kind, "later"]), BODIES), max_size=60)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_nothing_that_comes_raises_and_what_is_kept_stays_valid(steps: list[tuple[int, int, str, bytes]]) -> None:
    dht, now = node(), 0.0
    numbers: list[int] = []
    for what, member, kind, body in steps:
        now += 0.5
        match what:
            case 0:
                dht.take(MEMBERS[member], kind, body, now, WALL)
            case 1 | 2:
                dht.answer(MEMBERS[member], kind, body, now, WALL)
            case 3:
                dht.connected(MEMBERS[member], now)
            case 4:
                dht.gone(MEMBERS[member], now)
            case 5:
                dht.put(b"key", b"value", 60, now, WALL)
                dht.get(b"key", now, WALL)
            case 6:
                dht.answered(numbers.pop(member % len(numbers)) if numbers else member, body, now, WALL)
            case 7:
                dht.due(now, WALL)
        numbers += [ask.number for ask in dht.asked]
        dht.asked.clear()
        assert all(contact.member in KEYS and contact.member != dht.own for contact in dht.nodes())
        assert dht.store.total_bytes == sum(len(held.record.encoded) for held in dht.store)
    while dht.next_due() < now + 10.0:
        now = max(now, dht.next_due())
        dht.due(now, WALL)
    assert dht.figures()["lookups"] == 0, "nobody's silence keeps a look-up alive"
    again = node()
    again.remember(dht.kept(), now, WALL)
    assert sorted(again.kept()) == sorted(dht.kept())


def test_an_answer_counts_once_and_one_to_no_question_not_at_all() -> None:
    dht = node()
    know(dht, 1)
    number = dht.get(b"key", 0.0, WALL)
    asked = {ask.peer: ask.number for ask in dht.asked}
    body = pack_answer([], [Packed(Type.VALUE, record(key_id(NETWORK, b"key")).encoded)])
    for _ in range(9):
        dht.answered(asked[PEER], body, 0.1, WALL)
    dht.answered(10**6, body, 0.1, WALL)
    dht.due(5.0, WALL)
    assert [(each.number, each.ok) for each in dht.finished] == [(number, True)]
    assert [deed.what for deed in dht.deeds].count("gave-record") == 1


def test_messages_are_counted_and_nothing_else() -> None:
    dht = node()
    dht.take(PEER, "anything", pack_id(5), 0.0, WALL)
    assert dht.figures()["unknown-message"] == 1
    assert (dht.said, dht.wishes, dht.deeds) == ([], [], [])

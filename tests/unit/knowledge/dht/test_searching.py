"""Questions under way: who is asked, and what an answer, or none, does to the table."""

from __future__ import annotations

from appliance.knowledge.dht.jobs import Why
from appliance.knowledge.dht.searching import (
    MOST_BEHIND,
    MOST_ORDERED,
    MOST_PROVED,
    MOST_QUESTIONS,
    MOST_RUNNING,
    STRANGERS,
    DhtRefused,
    Searching,
)
from appliance.knowledge.dht.table import MOST_FAILURES, Table
from appliance.knowledge.dht.wire import K, Kind, Type, Verdict, pack_answer
from appliance.knowledge.effects import Deed
from tests.unit.knowledge.dht.writers import KEYS, MEMBERS, WALL, id_of, judge, packed, record, store_of

ME, PEER = MEMBERS[0], MEMBERS[1]


class Search:
    def __init__(self, known: int = 0) -> None:
        self.table, self.judge = Table(id_of(ME)), judge()
        self.store = store_of(self.table.own)
        self.draws = 0
        self.searching = Searching(ME, self.table, self.store, self.judge, self.draw)
        for member in MEMBERS[1 : known + 1]:
            self.table.heard(member, id_of(member), 0.0)

    def draw(self) -> float:
        self.draws += 1
        return self.draws % 97 / 97

    def order(self, kind: Kind = Kind.VALUE, why: Why = Why.ASKED, target: int = 5, **words: object) -> int:
        return self.searching.order(kind, why, target, 0.0, WALL, **words)

    def answer(self, body: bytes | None, now: float = 0.1) -> None:
        self.searching.answered(self.searching.asked.pop(0).number, body, now, WALL)


def test_who_answers_comes_into_the_table_and_who_is_only_named_does_not() -> None:
    search = Search()
    search.searching.seen(PEER, 0.0)
    assert [(ask.peer, ask.kind) for ask in search.searching.asked] == [(PEER, "find")]
    assert PEER not in search.table
    search.answer(pack_answer(MEMBERS[2:10]))
    assert [contact.member for contact in search.table] == [PEER]
    assert search.searching.met == [PEER]


def test_who_does_not_answer_is_not_asked_again_for_a_minute() -> None:
    search = Search()
    search.searching.seen(PEER, 0.0)
    search.answer(None)
    search.searching.seen(PEER, 59.0)
    assert search.searching.asked == []
    assert search.judge.deeds == [], "it may have no hash table"
    search.searching.seen(PEER, 61.0)
    assert len(search.searching.asked) == 1


def test_many_members_that_come_at_once_are_asked_little_by_little() -> None:
    search = Search(known=60)
    for member in MEMBERS[61:]:
        search.searching.seen(member, 0.0)
    near = [ask.peer for ask in search.searching.asked if search.table.is_near(id_of(ask.peer))]
    assert MOST_PROVED <= len(search.searching.asked) <= MOST_PROVED + len(near)
    before = len(search.searching.asked)
    search.searching.refresh(60.0, WALL)
    for member in MEMBERS[61:]:
        search.searching.seen(member, 0.0)
    assert len(search.searching.asked) > before


def test_a_silent_member_of_the_table_is_dropped_at_last_and_blamed_by_the_driver_alone() -> None:
    search = Search(known=1)
    search.searching.there[PEER] = None
    for _ in range(MOST_FAILURES):
        search.searching.ask(PEER, Kind.FIND, bytes(20))
        search.answer(None)
    assert search.judge.counters["unanswered"] == MOST_FAILURES
    assert search.judge.deeds == [], "it may not have been asked at all: there are limits here, too"
    assert PEER not in search.table


def test_who_answers_nonsense_leaves_the_table_at_once() -> None:
    search = Search(known=1)
    for kind, nonsense in ((Kind.FIND, b""), (Kind.VALUE, bytes((30,))), (Kind.STORE, b"xyz")):
        search.table.heard(PEER, id_of(PEER), 0.0)
        search.searching.ask(PEER, kind, bytes(20), records=1)
        search.answer(nonsense)
        assert PEER not in search.table
    assert search.judge.deeds == [Deed(PEER, "malformed-answer", -10.0)] * 3


def test_members_that_nobody_knows_and_this_node_itself_are_no_way() -> None:
    search = Search(known=1)
    search.order()
    asked = {ask.peer for ask in search.searching.asked}
    for _ in range(len(asked)):
        search.answer(pack_answer([bytes(32), ME, b"x" * 32]))
    assert search.judge.counters["unknown-contacts"] == 2 * len(asked)
    assert not {ask.peer for ask in search.searching.asked} & {bytes(32), ME, b"x" * 32}


def test_while_the_table_is_small_members_drawn_among_all_are_asked_too() -> None:
    search = Search(known=1)
    search.order()
    (job,) = search.searching._jobs.values()
    assert 1 < len(job.lookup._candidates) <= 1 + STRANGERS
    search = Search(known=len(MEMBERS) - 1)
    search.order()
    (job,) = search.searching._jobs.values()
    assert set(job.lookup._candidates) <= {each.member for each in search.table}
    assert len(job.lookup._candidates) == K


def test_a_node_that_knows_no_member_ends_its_look_ups_at_once() -> None:
    search = Search()
    search.judge.keys = lambda _wall: {}
    search.order()
    (finished,) = search.searching.finished
    assert (finished.ok, finished.records) == (False, ())


def test_false_records_of_a_member_are_left_out_and_true_ones_are_told() -> None:
    search = Search(known=1)
    number = search.order()
    found = record(5, writer=9)
    given = [packed(record(5, key=b"another")), packed(record(6)), packed(found)]
    while search.searching.asked:
        search.answer(pack_answer([], given if search.searching.asked[0].peer == PEER else []))
    (finished,) = search.searching.finished
    assert (finished.number, finished.ok, finished.records, finished.hops) == (number, True, (found,), 1)
    assert [deed.what for deed in search.judge.deeds] == ["forged", "wrong-key", "gave-record"]


def test_what_this_node_keeps_itself_is_found_too() -> None:
    search = Search()
    search.store.keep(Type.VALUE, record(5, writer=9), 0.0, WALL)
    search.order()
    while search.searching.asked:
        search.answer(None)
    assert search.searching.finished[0].ok


def test_who_says_that_it_keeps_a_record_is_counted_and_who_does_not_is_not() -> None:
    search = Search(known=30)
    search.order(Kind.FIND, store=(packed(record(5)),))
    verdicts = 0
    while search.searching.asked:
        if search.searching.asked[0].kind == Kind.STORE:
            verdicts += 1
            search.answer(bytes((Verdict.KEPT if verdicts % 2 else Verdict.FULL,)))
        else:
            search.answer(pack_answer([]))
    (finished,) = search.searching.finished
    (job,) = search.searching.written
    assert verdicts == K - job.is_kept_here
    assert finished.stored_at == (verdicts + 1) // 2 + job.is_kept_here
    assert search.judge.counters["told-full"] == verdicts // 2


def test_look_ups_wait_for_each_other_and_those_that_nobody_waits_for_for_longest() -> None:
    search = Search(known=30)
    for number in range(MOST_BEHIND + 3):
        search.order(why=Why.REFRESH, target=number)
    assert len(search.searching) == MOST_BEHIND
    for number in range(MOST_RUNNING + 3):
        search.order(target=number)
    assert len(search.searching) == MOST_BEHIND + MOST_RUNNING
    while search.searching.asked:
        search.answer(None, now=0.2)
    assert len(search.searching) == 0
    assert len(search.searching.finished) == MOST_RUNNING + 3


def test_no_look_up_begins_while_many_questions_are_under_way_and_it_does_when_they_are_answered() -> None:
    search = Search(known=30)
    for _ in range(MOST_QUESTIONS):
        search.searching.ask(PEER, Kind.FIND, bytes(20))
    search.order()
    assert len(search.searching) == 0
    search.answer(pack_answer([]))
    assert len(search.searching) == 1


def test_there_is_an_end_to_what_may_wait() -> None:
    search = Search(known=3)
    refused = 0
    for number in range(MOST_RUNNING + MOST_ORDERED + 5):
        try:
            search.order(target=number)
        except DhtRefused:
            refused += 1
    assert refused == 5
    assert search.searching.free == MOST_ORDERED


def test_who_is_no_member_any_more_leaves_the_table() -> None:
    search = Search(known=3)
    search.judge.keys = lambda _wall: {member: key for member, key in KEYS.items() if member != PEER}
    search.searching.refresh(0.0, WALL)
    assert PEER not in search.table
    assert len(search.table) == 2

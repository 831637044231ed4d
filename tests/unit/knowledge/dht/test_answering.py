"""What members are answered, and what they may ask."""

from __future__ import annotations

from appliance.knowledge.dht.answering import BURST, FAR_RANK, RATE, Answering
from appliance.knowledge.dht.ids import BITS, pack_id
from appliance.knowledge.dht.table import Table
from appliance.knowledge.dht.wire import K, Kind, Type, Verdict, pack_records, read_answer
from appliance.knowledge.effects import Deed
from tests.unit.knowledge.dht.writers import MEMBERS, WALL, id_of, judge, packed, record, store_of

ME, PEER = MEMBERS[0], MEMBERS[1]
FIND = pack_id(5)


class Asked:
    def __init__(self, known: int = 0) -> None:
        self.table, self.judge = Table(id_of(ME)), judge()
        self.store = store_of(self.table.own)
        self.answering = Answering(self.table, self.store, self.judge)
        for member in MEMBERS[1 : known + 1]:
            self.table.heard(member, id_of(member), 0.0)

    def ask(self, kind: str, body: bytes, now: float = 0.0, wall: float = WALL) -> bytes | None:
        return self.answering.answer(PEER, kind, body, now, wall)


def test_the_closest_members_are_named_but_not_the_one_that_asks_or_is_silent() -> None:
    asked = Asked(known=60)
    asked.table.failed(MEMBERS[2])
    answer = read_answer(asked.ask(Kind.FIND, pack_id(id_of(PEER))) or b"", Kind.FIND)
    assert answer is not None
    assert len(answer.contacts) == K
    assert not {PEER, MEMBERS[2]} & set(answer.contacts)
    assert answer.contacts == [each.member for each in asked.table.closest(id_of(PEER), K, (PEER,))]


def test_a_record_is_kept_and_given_to_who_asks_for_it() -> None:
    asked = Asked()
    value, provider = record(5), record(5, b"", 3, type_=Type.PROVIDER)
    body = pack_records([packed(value), packed(provider, Type.PROVIDER)])
    assert asked.ask(Kind.STORE, body) == bytes((Verdict.KEPT, Verdict.KEPT))
    for kind, found in ((Kind.VALUE, value), (Kind.PROVIDERS, provider)):
        answer = read_answer(asked.ask(kind, pack_id(5)) or b"", kind)
        assert answer is not None
        assert [each.encoded for each in answer.records] == [found.encoded]
        answer = read_answer(asked.ask(kind, pack_id(6)) or b"", kind)
        assert answer is not None
        assert answer.records == []
    assert asked.judge.counters["store-kept"] == 2


def test_what_is_not_valid_is_not_kept_and_does_not_spoil_the_rest() -> None:
    asked = Asked()
    body = pack_records([packed(record(5, key=b"another")), packed(record(5))])
    assert asked.ask(Kind.STORE, body) == bytes((Verdict.REFUSED, Verdict.KEPT))
    assert asked.judge.deeds == [Deed(PEER, "forged", -10.0)]


def test_what_many_others_are_closer_to_is_not_kept() -> None:
    asked = Asked(known=350)
    opposite = asked.table.own ^ (1 << BITS) - 1
    point = next(point for point in range(opposite, 0, -(1 << 150)) if asked.table.rank(point) >= FAR_RANK)
    assert asked.ask(Kind.STORE, pack_records([packed(record(point))])) == bytes((Verdict.FAR,))
    assert asked.ask(Kind.STORE, pack_records([packed(record(asked.table.own))])) == bytes((Verdict.KEPT,))


def test_identities_ground_to_lie_around_a_key_do_not_keep_it_from_this_node() -> None:
    asked = Asked(known=40)
    point = asked.table.own ^ 1 << 150
    ground = [point ^ number for number in range(1, FAR_RANK + 20)]
    for number, each in enumerate(ground):
        asked.table._ids[each] = MEMBERS[100 + number]  # as deep as that they fill several buckets
    assert asked.table.rank(point) >= FAR_RANK
    assert asked.ask(Kind.STORE, pack_records([packed(record(point))])) == bytes((Verdict.KEPT,))


def test_a_question_of_no_form_has_no_answer_and_speaks_against_who_asked() -> None:
    asked = Asked()
    for kind, body in (
        (Kind.FIND, b""),
        (Kind.VALUE, bytes(21)),
        (Kind.PROVIDERS, bytes(19)),
        (Kind.STORE, b""),
        (Kind.STORE, b"x"),
    ):
        assert asked.ask(kind, body) is None
    assert asked.judge.deeds == [Deed(PEER, "malformed-question", -10.0)] * 5
    assert asked.ask("later", b"") is None
    assert asked.judge.counters["unknown-question"] == 1
    assert len(asked.judge.deeds) == 5, "a later version may ask more"


def test_who_asks_too_much_waits_and_others_do_not() -> None:
    asked = Asked()
    answers = [asked.ask(Kind.FIND, FIND) for _ in range(int(BURST) + 50)]
    assert sum(answer is not None for answer in answers) == BURST
    assert asked.judge.deeds == [Deed(PEER, "asked-too-much", -1.0)] * 50
    assert asked.answering.answer(MEMBERS[2], Kind.FIND, FIND, 0.0, WALL) is not None
    assert sum(asked.ask(Kind.FIND, FIND, now=1.0) is not None for _ in range(100)) == RATE


def test_stores_without_end_cost_as_many_questions_as_they_have_records() -> None:
    asked = Asked()
    body = pack_records([packed(record(number, b"")) for number in range(80)])
    answered = [asked.ask(Kind.STORE, body) is not None for _ in range(20)]
    assert sum(answered) == BURST // 80
    assert asked.store.total == 80


def test_who_may_ask_all_again_is_forgotten() -> None:
    asked = Asked()
    for _ in range(60):
        asked.ask(Kind.FIND, FIND)
    asked.answering.refresh(1.0)
    assert list(asked.answering._allowances) == [PEER]
    asked.answering.refresh(2.0)
    assert asked.answering._allowances == {}

"""The registrations of a place: in the order in which they came, bounded, and fair."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.rendezvous.registration import Refusal, Registration, RegistrationRefused
from appliance.knowledge.rendezvous.shelf import MOST_OF_MEMBER, Shelf
from tests.unit.knowledge.rendezvous.crowd import ANN, BEN, CYD, WALL, Someone

EVERYBODY = (ANN.digest, BEN.digest, CYD.digest)


def told(shelf: Shelf, tag: str, position: int = 0) -> list[tuple[int, str]]:
    names = {each.digest: each.name for each in (ANN, BEN, CYD)}
    return [(at, names[each.member]) for at, each in shelf.since(tag, position)]


def test_what_is_new_since_is_told() -> None:
    shelf = Shelf()
    for someone in (ANN, BEN, CYD):
        assert shelf.put(someone.registers("printers"))
    assert told(shelf, "printers") == [(1, "ann"), (2, "ben"), (3, "cyd")]
    assert told(shelf, "printers", 2) == [(3, "cyd")]
    assert shelf.put(ANN.registers("printers", sequence=2))
    assert told(shelf, "printers", 3) == [(4, "ann")], "who renews is new again"
    assert told(shelf, "scanners") == []


def test_the_same_again_is_no_news_and_an_older_one_is_refused() -> None:
    shelf = Shelf()
    shelf.put(ANN.registers("printers", sequence=2))
    assert not shelf.put(ANN.registers("printers", sequence=2))
    with pytest.raises(RegistrationRefused) as refused:
        shelf.put(ANN.registers("printers", sequence=1))
    assert refused.value.reason is Refusal.OLD


def test_a_member_has_so_many_and_what_it_withdrew_makes_room() -> None:
    shelf = Shelf(most_of_member=2)
    shelf.put(ANN.registers("a"))
    shelf.put(ANN.registers("b"))
    with pytest.raises(RegistrationRefused) as refused:
        shelf.put(ANN.registers("c"))
    assert refused.value.reason is Refusal.TOO_MANY
    shelf.put(ANN.registers("a", sequence=2, withdrawn=True))
    shelf.put(ANN.registers("c"))
    assert [each.tag for each in shelf] == ["b", "c"]


def test_a_flood_of_some_members_keeps_nobody_out() -> None:
    shelf = Shelf(most=4)
    for number in range(4):
        shelf.put(ANN.registers(f"t{number}"))
    shelf.put(BEN.registers("printers"))
    shelf.put(BEN.registers("scanners"))
    assert [(each.member, each.tag) for each in shelf] == [
        *((ANN.digest, "t2"), (ANN.digest, "t3")),
        *((BEN.digest, "printers"), (BEN.digest, "scanners")),
    ]
    with pytest.raises(RegistrationRefused) as refused:
        shelf.put(BEN.registers("third"))
    assert refused.value.reason is Refusal.FULL, "nobody has more than that"
    shelf.put(CYD.registers("mine"))
    assert (len(shelf), shelf.evicted) == (4, 3)


def test_what_has_expired_goes_and_what_is_of_no_member_any_more() -> None:
    shelf = Shelf()
    shelf.put(ANN.registers("a", ttl=100))
    shelf.put(BEN.registers("a", ttl=200))
    shelf.put(CYD.registers("a", ttl=300))
    assert shelf.first_expiry == WALL + 100
    assert shelf.expire(WALL + 100, EVERYBODY) == 1
    assert shelf.expire(WALL + 100, [ANN.digest, CYD.digest]) == 1
    assert told(shelf, "a") == [(3, "cyd")]
    assert shelf.first_expiry == WALL + 300
    assert shelf.expire(WALL + 300, EVERYBODY) == 1
    assert (len(shelf), shelf.tags, shelf.first_expiry) == (0, 0, float("inf"))


def test_who_renews_without_end_takes_no_memory() -> None:
    shelf = Shelf()
    shelf.put(BEN.registers("b", ttl=300))
    for sequence in range(1, 500):
        shelf.put(ANN.registers("a", ttl=600, sequence=sequence))
    assert len(shelf._expiries) <= 2 * len(shelf) + MOST_OF_MEMBER
    assert shelf.first_expiry == WALL + 300
    assert shelf.expire(WALL + 300, EVERYBODY) == 1
    assert shelf.first_expiry == WALL + 600


def test_a_sweep_looks_at_nothing_that_stays() -> None:
    class Looked(dict[int, Registration]):
        def values(self) -> Any:
            raise AssertionError("with 8,192 registrations that is 20 ms")

    shelf = Shelf()
    for someone, ttl in ((ANN, 100), (BEN, 200), (CYD, 300)):
        shelf.put(someone.registers("a", ttl=ttl))
    shelf._all = Looked(shelf._all)
    assert shelf.expire(WALL + 100, (ANN.digest, CYD.digest)) == 2
    assert told(shelf, "a") == [(3, "cyd")]


SOME = [Someone(f"m{number}") for number in range(4)]
SIGNED = {
    (who, tag, sequence, withdrawn): SOME[who].registers(tag, sequence=sequence, ttl=60 + 10 * sequence, withdrawn=withdrawn)
    for who in range(4)
    for tag in "abc"
    for sequence in (1, 2)
    for withdrawn in (False, True)
}


@given(st.lists(st.sampled_from(sorted(SIGNED)), max_size=40), st.integers(60, 90))
def test_whatever_comes_the_books_are_right(puts: list[tuple[int, str, int, bool]], age: int) -> None:
    shelf = Shelf(most=6, most_of_member=2)
    model: dict[tuple[int, str], int] = {}
    for put in puts:
        try:
            shelf.put(SIGNED[put])
        except RegistrationRefused:
            continue
        model[put[0], put[1]] = put[2]
        assert len(shelf) <= 6
    there = {(each.member, each.tag): each.record.sequence for each in shelf}
    newest = {(SOME[who].digest, tag): sequence for (who, tag), sequence in model.items()}
    assert there.items() <= newest.items(), "nothing but the newest of each"
    by_tag = [each for tag in "abc" for _, each in shelf.since(tag, 0)]
    assert sorted(each.encoded for each in by_tag) == sorted(each.encoded for each in shelf)
    shelf.expire(WALL + age, [someone.digest for someone in SOME[:2]])
    assert all(each.record.expires > WALL + age and each.member in {SOME[0].digest, SOME[1].digest} for each in shelf)

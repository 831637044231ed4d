"""Which places serve a tag: everybody comes to the same ones."""

from __future__ import annotations

from collections import Counter

from appliance.knowledge.rendezvous.choice import FIRST_SILENCE, LONGEST_SILENCE, MOST_REMEMBERED, SERVING, Choice
from appliance.protocol.digests import sha256

PLACES = [sha256(bytes((number,))) for number in range(10)]


def choice(places: list[bytes] = PLACES) -> Choice:
    made = Choice()
    made.use(frozenset(places))
    return made


def test_everybody_comes_to_the_same_ones_and_the_tags_are_spread() -> None:
    assert choice().serving("printers", 0.0) == choice(PLACES[::-1]).serving("printers", 0.0)
    by_place = Counter(place for number in range(1000) for place in choice().serving(f"t{number}", 0.0))
    assert sum(by_place.values()) == 1000 * SERVING
    assert set(by_place) == set(PLACES)
    assert max(by_place.values()) < 1.3 * min(by_place.values())


def test_a_place_that_goes_moves_its_own_tags_only() -> None:
    all_, fewer = choice(), choice(PLACES[1:])
    for number in range(200):
        before, after = all_.serving(f"t{number}", 0.0), fewer.serving(f"t{number}", 0.0)
        assert [place for place in before if place != PLACES[0]] == after[: SERVING - (PLACES[0] in before)]


def test_who_is_silent_is_passed_over_for_longer_each_time() -> None:
    made = choice()
    first, *_ = made.serving("t", 0.0)
    made.failed(first, 0.0)
    made.failed(first, 1.0)  # another question that was under way
    assert first not in made.serving("t", FIRST_SILENCE - 1)
    assert made.ranked("t", 1.0)[-1] == first
    assert made.next_return(1.0) == made.until(first) == FIRST_SILENCE
    assert made.serving("t", FIRST_SILENCE)[0] == first
    now = FIRST_SILENCE
    for _ in range(10):
        made.failed(first, now)
        now = made.until(first)
    assert made.is_silent(first, now - LONGEST_SILENCE + 1)
    assert not made.is_silent(first, now)
    made.answered(first)
    assert made.next_return(0.0) == float("inf")


def test_who_is_no_place_any_more_is_forgotten() -> None:
    made = choice()
    made.failed(PLACES[0], 0.0)
    made.use(frozenset(PLACES[1:]))
    assert PLACES[0] not in made.ranked("t", 0.0)
    assert made.next_return(0.0) == float("inf")


def test_what_is_remembered_is_bounded() -> None:
    made = choice()
    for number in range(MOST_REMEMBERED + 5):
        made.serving(f"t{number}", 0.0)
    assert len(made._orders) <= MOST_REMEMBERED

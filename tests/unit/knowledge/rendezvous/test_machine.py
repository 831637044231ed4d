"""Members and meeting places together, in virtual time: who registers is found, whatever befalls the places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.rendezvous.finding import LONGEST
from appliance.knowledge.rendezvous.machine import MOST_LOOKUPS, Rendezvous
from appliance.knowledge.rendezvous.messages import FIND, REGISTER, Find, Status, pack_find, read_page
from appliance.knowledge.rendezvous.own import Where
from tests.unit.knowledge.rendezvous.crowd import ANN, BEN, EVE, NETWORK, WALL, Known
from tests.unit.knowledge.rendezvous.town import Town

PLACES = [f"place{number}" for number in range(7)]
CROWD = [f"m{number}" for number in range(250)]
TAGS = [f"tag{number}" for number in range(12)]


def wears(number: int) -> tuple[str, str]:
    """The tags of a member of the crowd."""
    return TAGS[number % 12], TAGS[(number + 1 + number // 12 % 11) % 12]


def who(tag: str) -> list[str]:
    return sorted(name for number, name in enumerate(CROWD) if tag in wears(number))


@pytest.fixture(scope="module")
def crowded() -> Town:
    town = Town([*PLACES, *CROWD], PLACES)
    for number, name in enumerate(CROWD):
        for tag in wears(number):
            town.register(name, tag)
    town.run(10.0)
    return town


def test_everybody_finds_everybody_though_places_die_and_come_back(crowded: Town) -> None:
    town = crowded
    assert all(town.find(name, tag) == who(tag) for name in CROWD[:5] for tag in TAGS)
    assert all(len(town.registered_at(name, tag)) == 3 for number, name in enumerate(CROWD) for tag in wears(number))
    kept = [len(town.machines[place].place.shelf) for place in PLACES]
    assert sum(kept) == 3 * 2 * len(CROWD)
    assert max(kept) < sum(kept) / 3, "the tags are spread over the places"

    town.dead |= {PLACES[1], PLACES[4]}
    assert all(town.find(name, tag) == who(tag) for name in CROWD[5:8] for tag in TAGS), "at once, from the third"
    town.run(3600.0)  # all have renewed meanwhile
    town.dead |= {PLACES[0], PLACES[6]}
    assert all(town.find(name, tag) == who(tag) for name in CROWD[8:10] for tag in TAGS)
    town.dead.clear()
    town.run(3600.0)
    serving = {tag: set(town.serving(tag)) for tag in TAGS}
    assert all(town.registered_at(name, tag) >= serving[tag] for number, name in enumerate(CROWD) for tag in wears(number))
    assert all(town.find(name, tag) == who(tag) for name in CROWD[10:12] for tag in TAGS)
    assert not [deed for name in CROWD for deed in town.deeds[name]], "whoever drives the machine scores who does not answer"


def test_what_a_quiet_network_costs() -> None:
    town = Town([*PLACES, *CROWD[:20]], PLACES)
    town.register("m0", "printers")
    town.follow("m1", "printers")
    town.run(100.0)
    town.asked.clear()
    town.run(4 * 3600.0)
    assert town.asked["m0"] == 3 * 4, "each hour three places are told again"
    assert 3 * 4 * 48 <= town.asked["m1"] <= 3 * 4 * 60, "three questions in little more than a minute"
    assert set(town.asked) == {"m0", "m1"}, "who wants nothing asks nothing"


def test_a_new_place_takes_over_and_one_that_lost_its_role_is_left() -> None:
    town = Town(["new", "old", "ann", "ben"], ["old"])
    town.register("ann", "t")
    town.run(1.0)
    assert town.registered_at("ann", "t") == {"old"}
    town.known.meeting = frozenset({town.people["new"].digest})
    for name in town.people:
        town.learn(name)
    town.run(1.0)
    assert town.registered_at("ann", "t") == {"new"}
    assert town.find("ben", "t") == ["ann"]
    asked = town.machines["old"].answer(town.people["ben"].digest, FIND, pack_find(Find("t", 9)), town.now, town.wall)
    assert asked is None
    assert town.machines["old"].counters == {"no-place": 1}


def test_without_a_place_a_registration_waits_for_one() -> None:
    town = Town(["place", "ann", "ben"], [])
    town.register("ann", "t")
    town.run(60.0)
    assert town.find("ben", "t") == []
    town.known.meeting = frozenset({town.people["place"].digest})
    town.learn("ann")
    town.run(1.0)
    assert town.find("ben", "t") == ["ann"]


def test_a_place_uses_itself_too() -> None:
    town = Town(["place", "ann"], ["place"])
    town.register("place", "t")
    town.register("ann", "t")
    town.run(1.0)
    assert town.find("place", "t") == town.find("ann", "t") == ["ann", "place"]
    assert town.asked["place"] == 0
    town.follow("place", "t")
    town.run(1.0)
    assert town.held["place"] == {"ann"}


def test_who_withdraws_does_not_come_back_with_a_place_that_was_away() -> None:
    town = Town(["p1", "p2", "ann", "ben"], ["p1", "p2"])
    town.register("ann", "t")
    town.run(1.0)
    town.dead.add("p1")
    town.unregister("ann", "t")
    town.run(20.0)
    town.dead = {"ann"}  # it cannot tell p1, which comes back with what it had
    town.run(30.0)
    assert len(town.machines["p1"].place.shelf) == 1
    assert town.find("ben", "t") == []
    town.dead.clear()


def test_a_withdrawal_reaches_a_place_that_was_away_and_is_then_forgotten() -> None:
    town = Town(["p1", "p2", "ann", "ben"], ["p1", "p2"])
    town.register("ann", "t")
    town.run(1.0)
    town.dead.add("p1")
    town.unregister("ann", "t")
    town.run(60.0)
    assert list(town.machines["ann"].own.live()) == []
    assert town.machines["ann"].own.tags, "one place does not know it"
    town.dead.clear()
    town.run(700.0)
    assert not town.machines["ann"].own.tags
    town.dead.add("p2")
    assert town.find("ben", "t") == []


def test_a_tag_that_is_withdrawn_while_the_place_is_being_told_of_it_is_withdrawn() -> None:
    town = Town(["place", "ann", "ben"], ["place"])
    town.register("ann", "t")
    town.unregister("ann", "t")
    town.run(5.0)
    assert town.find("ben", "t") == []
    town.register("ann", "t")
    town.run(5.0)
    assert town.find("ben", "t") == ["ann"]


def test_a_look_up_ends_though_nobody_answers() -> None:
    town = Town([*PLACES, "ann"], PLACES)
    town.dead |= set(PLACES)
    begun = town.now
    number = town.look("ann", "t")
    town.run(60.0)
    found, when = town.found["ann", number]
    assert when - begun <= LONGEST + 0.1
    assert (found.registrations, found.answered) == ((), ())
    assert len(found.silent) >= 3
    for _ in range(MOST_LOOKUPS):
        town.look("ann", "t")
    with pytest.raises(OverflowError):
        town.look("ann", "t")
    with pytest.raises(ValueError, match="no tag"):
        town.look("ann", "no tag")


def test_many_of_one_tag_are_found_page_by_page() -> None:
    town = Town(["place", *CROWD], ["place"])
    for name in CROWD:
        town.register(name, "all")
    town.run(5.0)
    assert town.find("m0", "all") == sorted(CROWD)
    assert len(town.find("m0", "all", most=7)) == 7


# ---- following ----


def test_whoever_comes_moves_or_goes_is_known_a_minute_later() -> None:
    town = Town(["place", "ann", "ben", "cyd"], ["place"])
    town.follow("cyd", "t")
    town.run(1.0)
    town.register("ann", "t")
    town.register("ben", "t", ttl=300)
    town.run(80.0)
    assert town.held["cyd"] == {"ann", "ben"}
    town.unregister("ann", "t")
    town.dead.add("ben")
    town.run(80.0)
    assert town.held["cyd"] == {"ben"}
    town.run(300.0)
    assert town.held["cyd"] == set(), "what has expired is over"
    town.register("ann", "t")
    town.run(80.0)
    town.follow("cyd", "other")
    assert town.held["cyd"] == set()


def test_a_place_that_starts_anew_is_asked_from_the_beginning() -> None:
    town = Town(["place", "ann", "cyd"], ["place"])
    town.register("ann", "t")
    town.follow("cyd", "t")
    town.run(5.0)
    kept = town.machines["place"].others_to_keep()
    town.start("place", remembered=kept)
    town.run(80.0)
    assert town.machines["place"].place.counters["stale-cookie"] == 1
    assert town.held["cyd"] == {"ann"}


def test_somebody_whose_certificate_comes_later_is_found_then() -> None:
    town = Town(["place", "ann", "cyd"], ["place"])
    known = Known([town.people["place"], town.people["cyd"]], [town.people["place"]])
    town.start("cyd", known)
    town.register("ann", "t")
    town.run(1.0)
    town.follow("cyd", "t")
    town.run(5.0)
    assert town.held["cyd"] == set()
    assert town.deeds["cyd"] == [], "the place did nothing wrong"
    known.members[town.people["ann"].digest] = town.people["ann"].public
    town.learn("cyd")
    town.run(5.0)
    assert town.held["cyd"] == {"ann"}


# ---- restarts and moves ----


def test_a_node_that_starts_anew_goes_on() -> None:
    town = Town(["place", "ann", "ben"], ["place"])
    town.register("ann", "t", ttl=7200)
    town.register("ann", "gone", ttl=60)
    town.run(1.0)
    kept = town.machines["ann"].own_to_keep()
    town.dead.add("ann")
    town.run(600.0)
    town.dead.clear()
    machine = town.start("ann", remembered=kept)
    assert [tag for tag, _ in machine.own.live()] == ["t"]
    town.run(7000.0)
    assert town.find("ben", "t") == ["ann"], "it has been renewed"


def test_what_stands_in_the_profile_is_not_kept_and_ends_with_it() -> None:
    town = Town(["place", "ann", "ben"], ["place"])
    machine = town.machines["ann"]
    town.do("ann", lambda: machine.fix(["t", "u"], town.now, town.wall))
    town.run(1.0)
    assert town.find("ben", "t") == ["ann"]
    assert machine.own_to_keep() == []
    town.do("ann", lambda: machine.fix(["u"], town.now, town.wall))
    town.run(1.0)
    assert town.find("ben", "t") == []
    assert town.find("ben", "u") == ["ann"]


def test_who_is_called_elsewhere_says_so() -> None:
    town = Town(["place", "ann", "ben"], ["place"])
    town.register("ann", "t")
    town.run(40.0)
    town.do("ann", lambda: town.machines["ann"].move(Where(relays=(ANN.digest,)), town.now, town.wall))
    town.run(1.0)
    number = town.look("ben", "t")
    town.run(1.0)
    (said,) = town.found["ben", number][0].registrations
    assert (said.endpoints, said.relays) == ((), (ANN.digest,))


# ---- who may ask, and bytes ----


def test_who_is_no_member_has_no_answer() -> None:
    machine = Rendezvous(ANN.digest, NETWORK, Known((ANN, BEN), (ANN,)), ANN.sign, bytes(32), lambda: 0.0)
    question = pack_find(Find("t", 9))
    assert machine.answer(EVE.digest, FIND, question, 0.0, WALL) is None
    assert machine.counters == {"no-member": 1}
    answer = machine.answer(BEN.digest, FIND, question, 0.0, WALL)
    assert answer is not None
    assert read_page(answer).status is Status.OK


@given(st.lists(st.tuples(st.sampled_from(["take", "answer", "answered"]), st.binary(max_size=120)), max_size=8))
def test_no_bytes_make_it_raise(bytes_: list[tuple[str, bytes]]) -> None:
    machine = Rendezvous(ANN.digest, NETWORK, Known((ANN, BEN), (ANN, BEN)), ANN.sign, bytes(32), lambda: 0.0)
    machine.register("t", 7200, 0.0, WALL)
    machine.follow(["t"], 0.0, WALL)
    for verb, body in bytes_:
        if verb == "take":
            machine.take(BEN.digest, REGISTER, body, 1.0, WALL)
        elif verb == "answer":
            machine.answer(BEN.digest, REGISTER if len(body) % 2 else FIND, body, 1.0, WALL)
        else:
            asked, machine.asked = machine.asked, []
            for ask in asked:
                machine.answered(ask.number, body, 1.0, WALL)
    assert machine.following.found(WALL) == {"t": [machine.own.tags["t"].registration]}

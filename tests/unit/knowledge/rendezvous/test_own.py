"""What a node has registered: what it is told, and how it says it again."""

from __future__ import annotations

import pytest

from appliance.knowledge.effects import Deed
from appliance.knowledge.rendezvous.messages import Status
from appliance.knowledge.rendezvous.own import REFUSED_SECONDS
from appliance.knowledge.rendezvous.registration import USUAL_SECONDS
from appliance.knowledge.rendezvous.shelf import MOST_OF_MEMBER
from tests.unit.knowledge.rendezvous.crowd import Known
from tests.unit.knowledge.rendezvous.town import Town


def town() -> Town:
    return Town(["place", "ann", "ben"], ["place"])


def test_no_tags_and_too_many() -> None:
    here = town()
    with pytest.raises(ValueError, match="no tag"):
        here.register("ann", "no tag")
    for number in range(MOST_OF_MEMBER):
        here.register("ann", f"t{number}")
    with pytest.raises(OverflowError):
        here.register("ann", "one-more")
    here.register("ann", "t0", 600)  # that is no more than before
    here.unregister("ann", "t1")
    here.register("ann", "one-more")
    here.run(5.0)
    assert len(list(here.machines["ann"].own.live())) == MOST_OF_MEMBER
    assert here.machines["place"].place.counters["refused-too-many-of-a-member"] == 0, "an honest one is never refused for that"
    assert here.deeds["place"] == []


def test_the_sequence_grows_though_the_clock_goes_back() -> None:
    here = town()
    machine = here.machines["ann"]
    here.register("ann", "t")
    first = machine.own.tags["t"].registration.record
    here.do("ann", lambda: machine.register("t", 7200, here.now, here.wall - 100))
    second = machine.own.tags["t"].registration.record
    assert (second.sequence, second.written) == (first.sequence + 1, first.written - 100)
    here.run(1.0)
    assert here.registered_at("ann", "t") == {"place"}


def test_a_place_that_refuses_is_asked_again_later() -> None:
    here = town()
    here.liars["place"] = lambda _asker, _kind, _body: bytes((Status.FULL,))
    here.register("ann", "t")
    here.run(1.0)
    kept = here.machines["ann"].own.tags["t"]
    (at,) = kept.at.values()
    assert (at.status, at.sequence, here.asked["ann"]) == (Status.FULL, -1, 1)
    here.liars.clear()
    here.run(REFUSED_SECONDS)
    assert here.registered_at("ann", "t") == {"place"}
    assert here.machines["ann"].counters == {"own-full": 1, "own-ok": 1}


def test_an_answer_that_is_none() -> None:
    here = town()
    here.liars["place"] = lambda _asker, _kind, _body: b"\x63"
    here.register("ann", "t")
    here.run(1.0)
    assert here.deeds["ann"] == [Deed(here.people["place"].digest, "malformed-answer", -1.0)]
    assert here.registered_at("ann", "t") == set()


def test_the_profile_may_say_more_than_there_is_room_for() -> None:
    here = town()
    machine = here.machines["ann"]
    for number in range(MOST_OF_MEMBER - 1):
        here.register("ann", f"t{number}")
    here.do("ann", lambda: machine.fix(["u", "v"], here.now, here.wall))
    assert machine.counters == {"own-too-many": 1}
    assert machine.own.tags["u"].ttl == USUAL_SECONDS


def test_what_was_withdrawn_while_a_place_was_away_is_withdrawn_there_after_a_restart() -> None:
    here = town()
    here.register("ann", "t")
    here.run(1.0)
    here.dead.add("place")
    here.unregister("ann", "t")
    here.run(60.0)
    kept = here.machines["ann"].own_to_keep()
    assert len(kept) == 1
    alone = Known([here.people["ann"]])
    machine = here.start("ann", alone, remembered=kept)
    here.run(1.0)
    assert machine.own.tags, "before this node knows of any place it forgets nothing"
    here.dead.clear()
    alone.members, alone.meeting = here.known.members, here.known.meeting
    here.learn("ann")
    here.run(5.0)
    assert here.find("ben", "t") == []
    assert machine.own.tags == {}, "the place knows it"


def test_a_withdrawal_that_nobody_hears_ends_by_the_clock_that_goes_forward() -> None:
    here = town()
    machine = here.machines["ann"]
    here.register("ann", "t", 600)
    here.run(1.0)
    here.dead.add("place")
    here.unregister("ann", "t")
    here.run(500.0)
    assert "t" in machine.own.tags
    back = here.wall - 86400
    machine.due(here.now + 101, back)
    assert machine.own.tags == {}
    assert machine.next_due() > here.now + 101, "else it would be called again at once, for a day"


@pytest.mark.parametrize("off", [86400.0, -86400.0])
def test_what_was_signed_by_a_wrong_clock_is_signed_anew_when_the_clock_is_right(off: float) -> None:
    here = town()
    machine = here.machines["ann"]
    here.do("ann", lambda: machine.register("t", 7200, here.now, here.wall + off))
    here.run(1.0)
    assert here.registered_at("ann", "t") == set()
    here.run(REFUSED_SECONDS + 5.0)
    assert here.registered_at("ann", "t") == {"place"}
    assert here.asked["ann"] == 2

"""Following tags: how often places are asked, and what is kept."""

from __future__ import annotations

from appliance.knowledge.rendezvous import following
from appliance.knowledge.rendezvous.following import EVERY, MOST_FOLLOWED
from tests.unit.knowledge.rendezvous.town import Town


def test_what_is_followed_is_bounded() -> None:
    crowd = [f"m{number}" for number in range(MOST_FOLLOWED + 20)]
    town = Town(["place", "cyd", *crowd], ["place"])
    for name in crowd:
        town.register(name, "t")
    town.run(10.0)
    town.follow("cyd", "t")
    town.run(5.0)
    assert len(town.held["cyd"]) == MOST_FOLLOWED


def test_many_members_that_are_learnt_of_are_asked_about_once() -> None:
    town = Town(["place", "ann", "cyd"], ["place"])
    known = type(town.known)([town.people["place"], town.people["cyd"]], [town.people["place"]])
    town.start("cyd", known)
    town.register("ann", "t")
    town.run(1.0)
    town.follow("cyd", "t")
    town.run(1.0)
    town.asked.clear()
    for _ in range(50):
        town.learn("cyd")
    town.run(following.LEARNT_SECONDS + 1)
    assert town.asked["cyd"] == 1
    town.run(EVERY)
    assert town.asked["cyd"] <= 2, "somebody who never becomes a member costs no more than a question a round"


def test_with_who_is_no_member_any_more_no_session_is_kept() -> None:
    town = Town(["place", "ann", "ben", "cyd"], ["place"])
    for name in ("ann", "ben"):
        town.register(name, "t", 3600)
    town.run(1.0)
    town.follow("cyd", "t")
    town.run(5.0)
    assert town.held["cyd"] == {"ann", "ben"}
    gone, key = town.people["ann"].digest, town.people["ann"].public
    del town.known.members[gone]
    town.learn("cyd")
    assert town.held["cyd"] == {"ben"}
    town.known.members[gone] = key
    town.learn("cyd")
    town.run(following.LEARNT_SECONDS + 1)
    assert town.held["cyd"] == {"ann", "ben"}, "its certificate was renewed a little late"

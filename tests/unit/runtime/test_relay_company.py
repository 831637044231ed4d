"""Who has to do with the relays of a node, with static peers and in a network of members."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from appliance.api.profile import Relay
from appliance.members.relays.choice import Choice
from appliance.members.scope import Role
from appliance.runtime.members.relays.company import FULL_SECONDS, PICKED, Company
from appliance.runtime.peers.table import PeerEntry, PeerTable

OWN = "llp1:own"


class Certificate(NamedTuple):
    identity: str
    roles: frozenset[Role]


@dataclass
class Network:
    """The part of a mesh that is asked."""

    relays: frozenset[str]
    own: str = OWN
    doubtful: str = ""
    """Names of relays with which there is bad experience."""

    def last_choice(self, member: str) -> bool:
        return member in {identity(name) for name in self.doubtful}

    def members(self) -> Mapping[str, Certificate]:
        names = ["own", *"abcde"]
        return {
            f"llp1:{name}": Certificate(f"llp1:{name}", frozenset({Role.RELAY} if name in self.relays else ())) for name in names
        }


def table(*members: str) -> PeerTable:
    made = PeerTable([PeerEntry("friend", identity("friend"))])
    for number, name in enumerate(members):
        made.add(PeerEntry(name, identity(name), allowed=(ipaddress.ip_network(f"10.9.0.{number}"),)))
    return made


def identity(name: str) -> str:
    letters = "".join(letter for letter in name if letter in "abcdefghijklmnopqrstuvwxyz")
    return f"llp1:{letters:z<51}a"


def company(relay: Relay, *relays: str, mesh: bool = True, doubtful: str = "") -> Company:
    known = table(*"abcde")

    class Renamed(Network):
        def members(self) -> Mapping[str, Certificate]:
            return {
                identity(key.removeprefix("llp1:")): each._replace(identity=identity(key.removeprefix("llp1:")))
                for key, each in super().members().items()
            }

    network = Renamed(frozenset(relays), identity("own"), doubtful)
    return Company(relay, known, lambda: network if mesh else None)  # type: ignore[arg-type,return-value]


def test_a_node_serves_if_its_profile_or_else_its_certificate_says_so() -> None:
    assert company(Relay(), "own").serves()
    assert not company(Relay(serve=False), "own").serves()
    assert not company(Relay(), "a").serves()
    assert company(Relay(serve=True), mesh=False).serves()
    assert not company(Relay(), mesh=False).serves()


def test_all_peers_may_use_it_unless_some_are_named() -> None:
    assert company(Relay(serve=True)).may_use("friend")
    assert company(Relay(serve=True)).may_use("a")
    assert not company(Relay(serve=True)).may_use("llp1:a-stranger")
    assert not company(Relay(serve=True, peers=("friend",))).may_use("a")


def test_in_a_network_a_caller_need_not_be_known_yet() -> None:
    assert company(Relay()).welcomes("llp1:nobody")
    assert not company(Relay(), mesh=False).welcomes("llp1:nobody")
    assert company(Relay(), mesh=False).welcomes(identity("friend"))


def test_a_member_picks_two_relays_and_stays_with_them() -> None:
    here, choice = company(Relay(), *"abcd"), Choice()
    for relay, seconds in zip("abcd", (0.2, 0.01, 0.011, 0.3), strict=True):
        choice.measured(relay, seconds, 0.0)
    assert here.pick(choice, lambda _relay: True, 0.0) == []
    picked = here.at
    assert sorted(picked) == ["b", "c"]
    for _ in range(20):
        choice.measured("a", 0.008, 0.0)  # not clearly better
        here.pick(choice, lambda _relay: True, 0.0)
        assert here.at == picked
    for _ in range(40):
        choice.measured("d", 0.001, 0.0)
    here.pick(choice, lambda _relay: True, 0.0)
    assert "d" in here.at
    assert len(here.at) == PICKED


def test_relays_without_a_session_are_called_until_two_are_there() -> None:
    here, choice = company(Relay(), *"abc"), Choice()
    called: set[str] = set()
    for _ in range(5):
        called.update(here.pick(choice, lambda relay: relay == "a", 0.0))
    assert here.at == ("a",)
    assert called == {"b", "c"}


def test_a_relay_with_which_there_is_bad_experience_is_taken_only_in_want_of_others() -> None:
    choice = Choice()
    choice.measured("a", 0.001, 0.0)
    there = company(Relay(), *"abc", doubtful="a")
    there.pick(choice, lambda _relay: True, 0.0)
    assert sorted(there.at) == ["b", "c"], "the best by its round trip"
    alone = company(Relay(), *"ab", doubtful="a")
    alone.pick(choice, lambda _relay: True, 0.0)
    assert alone.at == ("b", "a")
    calling = company(Relay(), *"abc", doubtful="ab")
    assert {each for _ in range(5) for each in calling.pick(choice, lambda _relay: False, 0.0)} == {"c"}
    nobody_else = company(Relay(), *"ab", doubtful="ab")
    assert {each for _ in range(5) for each in nobody_else.pick(choice, lambda _relay: False, 0.0)} == {"a", "b"}


def test_a_relay_that_is_full_is_left_alone_for_a_while() -> None:
    here, choice = company(Relay(), *"ab"), Choice()
    here.refused("a", 0.0)
    here.pick(choice, lambda _relay: True, 1.0)
    assert here.at == ("b",)
    here.pick(choice, lambda _relay: True, FULL_SECONDS)
    assert sorted(here.at) == ["a", "b"]


def test_relays_that_the_profile_names_come_first_and_two_are_enough() -> None:
    here = company(Relay(at=("friend",)), *"ab")
    here.pick(Choice(), lambda _relay: True, 0.0)
    assert here.at[0] == "friend"
    assert len(here.at) == 3
    enough = company(Relay(at=("friend", "a")), *"bc")
    assert enough.pick(Choice(), lambda _relay: True, 0.0) == []
    assert enough.at == ("friend", "a")


def test_a_member_is_no_relay_without_a_certificate_that_says_so() -> None:
    here = company(Relay(), "a")
    assert here.trusts("a")
    assert not here.trusts("b")
    assert not here.trusts("nobody")
    assert here.trusts("friend")


def test_a_relay_needs_none() -> None:
    here = company(Relay(), "own", "a")
    assert here.pick(Choice(), lambda _relay: True, 0.0) == []
    assert here.at == ()

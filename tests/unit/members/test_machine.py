"""Three nodes of one network, wired together; what a node does alone stands in the tests of its parts."""

from __future__ import annotations

import random

import pytest

from appliance.members.claims import sign_claim
from appliance.members.effects import Call, Happening, Hold
from appliance.members.machine import (
    ACCUSATIONS,
    LIVENESS,
    ROSTER,
    Machine,
    Standing,
    Tally,
)
from appliance.members.own_row import ROW_SECONDS, Facts
from appliance.members.row import read_row
from appliance.members.suspicions import LONGEST
from appliance.members.telling import SUSPECT
from tests.unit.members.rows import FULL, NETWORK, NOW, Listed, endpoint, key, member, row

NAMES = ("a", "b", "c")


class Node:
    """One of them. Its sessions are there as long as nobody cuts them."""

    def __init__(self, name: str, *names: str, now: float = 0.0) -> None:
        self.name = name
        self.listed = Listed(*(names or NAMES))
        self.machine = Machine(member(name), NETWORK, self.listed, key(name).sign, random.Random(name).random, now, NOW + now)
        self.cut: set[str] = set()


class Three:
    """They speak at once, and time passes for all of them."""

    def __init__(self, *names: str) -> None:
        self.now = 0.0
        self.nodes = {name: Node(name) for name in names or NAMES}
        for name in self.nodes:
            self.machine(name).publish(Facts(load=1), 0.0)
        for name in self.nodes:
            for other in self.nodes:
                if other != name:
                    self.machine(name).connected(member(other), 0.0)

    def machine(self, name: str) -> Machine:
        return self.nodes[name].machine

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            self.deliver()
            due = min(node.machine.next_due() for node in self.nodes.values())
            if due > end:
                break
            self.now = max(self.now, due)
            for node in self.nodes.values():
                if node.machine.next_due() <= self.now:
                    node.machine.due(self.now, NOW + self.now)
        self.now = end

    def deliver(self) -> None:
        by_digest = {member(name): name for name in self.nodes}
        while any(node.machine.said for node in self.nodes.values()):
            for node in self.nodes.values():
                said, node.machine.said = node.machine.said, []
                for family, (peer, kind, body) in said:
                    other = by_digest.get(peer)
                    if other is not None and other not in node.cut:
                        self.machine(other).take(member(node.name), family, kind, body, self.now, NOW + self.now)

    def cut(self, name: str) -> None:
        """Nobody hears from it any more, nor it from others; sessions end."""
        for other, node in self.nodes.items():
            if other != name:
                node.cut.add(name)
                self.nodes[name].cut.add(other)
                node.machine.gone(member(name), self.now)
                self.machine(name).gone(member(other), self.now)

    def heal(self, name: str) -> None:
        for other, node in self.nodes.items():
            node.cut.clear()
            if other != name:
                node.machine.connected(member(name), self.now)
                self.machine(name).connected(member(other), self.now)

    def told(self, name: str) -> list[tuple[Happening, str]]:
        names = {member(each): each for each in self.nodes}
        return [(told.what, names.get(told.member, "")) for told in self.machine(name).told]


def test_all_know_all_and_all_are_neighbours() -> None:
    three = Three()
    three.run(10.0)
    for name in NAMES:
        machine = three.machine(name)
        assert set(machine.roster.rows) == set(map(member, NAMES))
        assert set(machine.neighbours.active) == {member(other) for other in NAMES if other != name}
        assert {machine.standing(member(other)) for other in NAMES} == {Standing.ALIVE}
        assert set(three.told(name)) == {(Happening.JOINED, other) for other in NAMES if other != name}
        assert len(three.told(name)) == 2


def test_what_a_node_says_of_itself_arrives() -> None:
    three = Three()
    three.run(10.0)
    three.machine("a").publish(Facts(load=7, endpoints=(endpoint("udp://192.0.2.1:8443"),)), three.now)
    three.run(5.0)
    for name in ("b", "c"):
        found = three.machine(name).roster.rows[member("a")]
        assert (found.load, len(found.endpoints)) == (7, 1)
        assert member("a") in three.machine(name).changed


def test_a_row_is_written_when_something_changed_and_not_too_often() -> None:
    three = Three()
    three.run(10.0)
    before = three.machine("a").roster.rows[member("a")].sequence
    for load in range(20):
        three.machine("a").publish(Facts(load=load), three.now)
        three.run(0.5)
    three.machine("a").publish(Facts(load=19), three.now)
    three.run(60.0)
    written = three.machine("a").roster.rows[member("a")].sequence - before
    assert 2 <= written <= 1 + 10 / ROW_SECONDS
    assert three.machine("b").roster.rows[member("a")].load == 19


def test_quiet_costs_almost_nothing() -> None:
    three = Three()
    three.run(300.0)
    said = 0
    count = three.deliver

    def deliver() -> None:
        nonlocal said
        for node in three.nodes.values():
            said += sum(30 + len(say.body) for family, say in node.machine.said if family == ROSTER)
        count()

    three.deliver = deliver  # type: ignore[method-assign]
    three.run(600.0)
    assert said / 3 / 10 < 200, "bytes of a node in a minute"


def test_one_that_is_silent_is_suspected_dies_and_returns() -> None:
    three = Three()
    three.run(10.0)
    three.cut("c")
    three.run(60.0)
    for name in ("a", "b"):
        assert three.machine(name).standing(member("c")) is Standing.DEAD
        assert (Happening.SUSPECTED, "c") in three.told(name)
        assert (Happening.DIED, "c") in three.told(name)
        assert three.machine(name).alive == 1
        assert Call(member("c")) in three.machine(name).wishes
    assert (Happening.PARTED, "") in three.told("c")
    three.heal("c")
    three.run(10.0)
    for name in ("a", "b"):
        assert three.machine(name).standing(member("c")) is Standing.ALIVE
        assert (Happening.RETURNED, "c") in three.told(name)
    assert (Happening.HEALED, "") in three.told("c")


def test_who_leaves_in_order_is_not_dead() -> None:
    three = Three()
    three.run(10.0)
    three.machine("c").leave(NOW + three.now, three.now)
    three.deliver()
    three.cut("c")
    three.run(60.0)
    for name in ("a", "b"):
        assert three.machine(name).standing(member("c")) is Standing.LEFT
        assert (Happening.LEFT, "c") in three.told(name)
        assert (Happening.DIED, "c") not in three.told(name)
        assert (Happening.SUSPECTED, "c") not in three.told(name)
    three.machine("c").publish(Facts(load=2), three.now)
    three.heal("c")
    three.run(10.0)
    assert three.machine("a").standing(member("c")) is Standing.ALIVE


def accuse(node: Machine, target: str, accuser: str, sequence: int = 1, by: str = "", now: float = 20.0) -> None:
    claim = sign_claim(NETWORK, member(target), sequence, member(accuser), key(by or accuser).sign)
    node.take(member("b"), LIVENESS, SUSPECT, claim.encoded, now, NOW + now)


def test_a_lone_accuser_is_contradicted() -> None:
    three = Three()
    three.run(10.0)
    for name in ("a", "b", "c"):
        accuse(three.machine(name), "c", "b", three.machine(name).roster.rows[member("c")].sequence, now=three.now)
    three.run(2 * LONGEST)
    assert three.machine("c").counters[Tally.CONTRADICTED] >= 1
    for name in ("a", "b"):
        assert (Happening.DIED, "c") not in three.told(name)


def test_a_claim_that_somebody_else_signed_counts_nothing() -> None:
    node = Node("a").machine
    node.take(member("b"), ROSTER, "entries", b"", 1.0, NOW)
    node.reconciling.recall(row("c", 1), NOW)
    accuse(node, "c", "b", by="c")
    assert node.counters == {Tally.CLAIMS_FORGED: 1}
    assert not node.suspicions.open
    for target, accuser in (("stranger", "b"), ("c", "stranger")):
        accuse(node, target, accuser)
    accuse(node, "c", "b", sequence=0)
    assert not node.suspicions.open


def test_what_one_accuser_may_say_in_a_minute_is_bounded() -> None:
    names = [f"n{n}" for n in range(40)]
    node = Node("a", "a", "b", *names).machine
    for name in names:
        accuse(node, name, "b", sequence=0)
    assert len(node.suspicions.open) == ACCUSATIONS
    assert node.counters[Tally.CLAIMS_MANY] == len(names) - ACCUSATIONS


def test_a_node_that_slept_blames_itself_first() -> None:
    three = Three()
    three.run(10.0)
    node = three.machine("a")
    accuse(node, "c", "b", node.roster.rows[member("c")].sequence, now=three.now)
    due = node.suspicions.next_due()
    assert due is not None
    node.due(node.next_due() + LONGEST, NOW)
    assert node.counters[Tally.SLEPT] == 1
    assert not node.suspicions.dead
    assert node.swim.health > 0


def test_rows_of_an_earlier_life_are_remembered_and_its_own_is_surpassed() -> None:
    node = Node("a").machine
    node.remember([row("a", 41, **FULL), row("b", 3), row("stranger"), b"no row"], 0.0, NOW)
    assert set(node.roster.rows) == {member("a"), member("b")}
    assert not node.told
    node.publish(Facts(), 0.0)
    node.due(max(0.0, node.next_due()), NOW)
    assert node.roster.rows[member("a")].sequence == 42


def test_a_row_of_an_earlier_life_that_comes_back_is_surpassed() -> None:
    node = Node("a").machine
    node.publish(Facts(), 0.0)
    node.due(0.0, NOW)
    encoded = row("a", 1000, load=9)
    body = b"\1" + len(encoded).to_bytes(2, "big") + encoded
    node.take(member("b"), ROSTER, "entries", body, 10.0, NOW)
    node.due(10.0, NOW)
    found = node.roster.rows[member("a")]
    assert (found.sequence, found.load) == (1001, 0)


def test_a_member_that_is_removed_is_nobodys_neighbour() -> None:
    three = Three()
    three.run(10.0)
    node = three.nodes["a"]
    node.listed.names.remove("c")
    node.machine.refresh(three.now, NOW)
    three.run(1.0)
    assert member("c") not in node.machine.neighbours.active
    assert member("c") not in node.machine.roster.rows
    assert (Happening.LEFT, "c") in three.told("a")
    assert node.machine.standing(member("c")) is Standing.UNKNOWN


def test_a_node_without_a_certificate_says_nothing_of_itself() -> None:
    node = Node("a", "b", "c").machine
    node.publish(Facts(), 0.0)
    node.due(max(0.0, node.next_due()), NOW)
    assert not node.roster.rows


def test_a_newcomer_learns_all_of_one() -> None:
    three = Three()
    three.run(10.0)
    new = Node("d", "a", "d", now=three.now)
    three.nodes["d"] = new
    for statement in (b"admit b", b"admit c"):
        three.nodes["a"].listed.take(statement, NOW)
    three.nodes["a"].listed.names.append("d")
    three.machine("a").refresh(three.now, NOW)
    new.machine.publish(Facts(), three.now)
    new.machine.connected(member("a"), three.now)
    three.machine("a").connected(member("d"), three.now)
    three.run(3.0)
    assert set(new.machine.roster.rows) == {member(name) for name in (*NAMES, "d")}
    assert Hold(member("a")) in new.machine.wishes


@pytest.mark.parametrize("family", [ROSTER, LIVENESS])
@pytest.mark.parametrize("kind", ["", "ping", "forward", "suspect", "entries", "have", "want", "offer", "shuffle"])
@pytest.mark.parametrize("body", [b"", b"\0", bytes(136), b"\xff" * 136, bytes(100), b"\1\0\1a"])
def test_no_message_of_a_member_raises(family: str, kind: str, body: bytes) -> None:
    three = Three()
    three.run(1.0)
    three.machine("a").take(member("b"), family, kind, body, three.now, NOW)
    three.run(1.0)


def test_the_row_that_travels_is_the_one_that_was_signed() -> None:
    three = Three()
    three.run(10.0)
    encoded = {three.machine(name).roster.row_of(member("a")) for name in NAMES}
    assert len(encoded) == 1
    assert read_row(encoded.pop() or b"").member == member("a")


def test_one_that_a_node_avoids_is_no_neighbour_of_it_and_is_dead_to_nobody() -> None:
    three = Three()
    three.run(10.0)
    a, b, c = (three.machine(name) for name in NAMES)
    for machine, other in ((a, b), (b, a)):
        if machine is a:
            machine.avoided = {other.own}
            machine.avoid(other.own, three.now)
        machine.gone(other.own, three.now)
    three.nodes["a"].cut.add("b")
    three.nodes["b"].cut.add("a")
    three.run(300.0)
    assert set(a.neighbours.active) == {c.own}
    assert b.own not in a.neighbours.passive
    assert set(c.neighbours.active) == {a.own, b.own}
    assert {machine.standing(b.own) for machine in (a, c)} == {Standing.ALIVE}
    assert not any(what in {Happening.SUSPECTED, Happening.DIED} for name in NAMES for what, _ in three.told(name))
    a.wishes.clear()
    a.take(c.own, LIVENESS, "ask", bytes(4) + b.own, three.now, NOW + three.now)
    assert not a.wishes
    assert not a.said, "it says nothing about it"

"""Places that lie: nothing is believed that a member did not sign, and what they did is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from appliance.knowledge.effects import Deed
from appliance.knowledge.rendezvous.judging import MOST_REMEMBERED, Judging
from appliance.knowledge.rendezvous.messages import FIND, Page, Status, pack_page
from appliance.knowledge.rendezvous.registration import Registration
from appliance.protocol.digests import sha256
from tests.unit.knowledge.rendezvous.crowd import ANN, BEN, EVE, NETWORK, WALL, Known, Someone
from tests.unit.knowledge.rendezvous.town import Town

GOOD = ANN.registers("t")
COOKIE = bytes(24)
ME = sha256(b"who judges")


class Bench:
    """Who judges."""

    def __init__(self, *members: Someone) -> None:
        self.counters: Counter[str] = Counter()
        self.deeds: list[Deed] = []
        self.known = Known(members or (ANN, BEN))
        self.judging = Judging(ME, NETWORK, self.known, self.counters, self.deeds)

    def page(self, *registrations: bytes, wall: float = WALL) -> list[Registration] | None:
        told = self.judging.page(EVE.digest, "t", pack_page(Page(Status.OK, False, COOKIE, registrations)), wall)  # noqa: FBT003
        return None if told is None else list(told.good)


def test_what_is_good_is_believed() -> None:
    bench = Bench()
    assert bench.page(GOOD.encoded, BEN.registers("t").encoded) == [GOOD, BEN.registers("t")]
    assert (bench.counters, bench.deeds) == ({}, [])


LIES = [
    ("forged", GOOD.encoded[:-64] + bytes(64)),
    ("foreign-network", ANN.registers("t", network=sha256(b"other")).encoded),
    ("other-tag", ANN.registers("other").encoded),
]


@pytest.mark.parametrize(("reason", "lie"), LIES, ids=[each[0] for each in LIES])
def test_one_lie_and_nothing_is_believed(reason: str, lie: bytes) -> None:
    bench = Bench()
    assert bench.page(GOOD.encoded, lie) is None
    assert bench.deeds == [Deed(EVE.digest, f"answer-{reason}", -10.0)]
    assert bench.counters == {f"answer-{reason}": 1}


def test_what_may_be_of_another_version_is_passed_over() -> None:
    bench = Bench()
    assert bench.page(b"what?", ANN.signs(b"\2\1t\0"), ANN.signs(bytes(1025)), GOOD.encoded) == [GOOD]
    assert bench.counters == {"answer-malformed": 2, "answer-too-long": 1}
    assert {deed.points for deed in bench.deeds} == {-1.0}


def test_what_an_honest_place_may_say_is_passed_over() -> None:
    bench = Bench()
    late, early = ANN.registers("t", WALL - 7200), ANN.registers("t", WALL + 3600)
    assert bench.page(late.encoded, early.encoded, EVE.registers("t").encoded, GOOD.encoded) == [GOOD]
    assert bench.counters == {"answer-expired": 1, "answer-future": 1, "answer-unknown-member": 1}
    assert bench.deeds == []
    told = bench.judging.page(EVE.digest, "t", pack_page(Page(Status.OK, registrations=[EVE.registers("t").encoded])), WALL)
    assert told is not None
    assert told.has_unknown, "that member may be known later"


def test_what_was_verified_once_is_judged_again_by_all_but_its_signature() -> None:
    bench = Bench()
    assert bench.page(GOOD.encoded) == [GOOD]
    assert bench.page(GOOD.encoded, wall=WALL + 7200) == []
    del bench.known.members[ANN.digest]
    assert bench.page(GOOD.encoded) == []
    assert bench.counters == {"answer-expired": 1, "answer-unknown-member": 1}


def test_what_is_remembered_is_bounded() -> None:
    bench = Bench()
    for sequence in range(MOST_REMEMBERED + 3):
        bench.judging.page(
            EVE.digest, "t", pack_page(Page(Status.OK, registrations=[ANN.registers("t", sequence=sequence).encoded])), WALL
        )
    assert len(bench.judging._verified) == MOST_REMEMBERED


def test_no_answer_at_all() -> None:
    bench = Bench()
    assert bench.judging.page(EVE.digest, "t", b"", WALL) is None
    assert bench.deeds == [Deed(EVE.digest, "malformed-answer", -1.0)]
    assert bench.counters == {"refused-answer": 1}


# ---- in a town ----


def empty(_asker: bytes, kind: str, _body: bytes) -> bytes:
    return pack_page(Page(Status.OK)) if kind == FIND else b"\0"


def endless(_asker: bytes, kind: str, _body: bytes) -> bytes:
    return pack_page(Page(Status.OK, True, COOKIE, [GOOD.encoded])) if kind == FIND else b"\0"  # noqa: FBT003


def stale(_asker: bytes, kind: str, _body: bytes) -> bytes:
    return pack_page(Page(Status.STALE)) if kind == FIND else b"\0"


def inventing(_asker: bytes, kind: str, _body: bytes) -> bytes:
    return pack_page(Page(Status.OK, registrations=[GOOD.encoded[:-64] + bytes(64)])) if kind == FIND else b"\0"


def nonsense(_asker: bytes, _kind: str, _body: bytes) -> bytes:
    return b"\xff" * 100


@pytest.mark.parametrize("lie", [empty, endless, stale, inventing, nonsense], ids=lambda lie: lie.__name__)
def test_two_liars_of_three_hide_nobody(lie: Callable[[bytes, str, bytes], bytes]) -> None:
    town = Town(["p1", "p2", "p3", "ann", "ben", "cyd"], ["p1", "p2", "p3"])
    town.liars = {"p1": lie, "p3": lie}
    town.register("ben", "t")
    town.follow("cyd", "t")
    town.run(80.0)
    assert "ben" in town.find("cyd", "t")
    assert "ben" in town.held["cyd"]
    town.asked.clear()
    town.run(3600.0)
    assert town.asked["cyd"] <= 60 * (64 + 64 + 1), "who always has more is not followed for ever"
    guilty = {deed.member for deed in town.deeds["cyd"]}
    liars = {town.people[name].digest for name in ("p1", "p3")}
    assert guilty <= liars, "the honest one is not blamed"
    if lie in {inventing, nonsense}:
        assert guilty == liars


def test_what_this_node_has_as_a_place_was_verified_when_it_came() -> None:
    bench = Bench()
    lie = pack_page(Page(Status.OK, False, COOKIE, [GOOD.encoded[:-64] + bytes(64)]))  # noqa: FBT003
    assert bench.judging.page(ME, "t", lie, WALL) is not None, "it looks at no signature again: to verify 1,000 takes 0.2 s"
    assert bench.page(GOOD.encoded) == [GOOD]
    assert bench.page(BEN.registers("t").encoded[:-64] + bytes(64)) is None, "what others say is verified"

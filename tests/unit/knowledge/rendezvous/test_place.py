"""A meeting place: what it takes, what it tells, and what it counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.effects import Deed
from appliance.knowledge.rendezvous.messages import FIND, REGISTER, Find, Page, Status, pack_find, read_page
from appliance.knowledge.rendezvous.place import SWEEP_SECONDS, Place
from appliance.knowledge.rendezvous.registration import Registration
from appliance.protocol.digests import sha256
from tests.unit.knowledge.rendezvous.crowd import ANN, BEN, CYD, EVE, NETWORK, WALL, Known, Someone

SECRET = bytes(range(32))


def place(*members: Someone, most: int = 100, most_of_member: int = 10) -> Place:
    return Place(NETWORK, Known(members or (ANN, BEN, CYD)), SECRET, most, most_of_member)


def register(at: Place, said: Registration, wall: float = WALL, by: Someone | None = None) -> Status | None:
    answer = at.answer(said.member if by is None else by.digest, REGISTER, said.encoded, wall)
    return None if answer is None else Status(answer[0])


def find(at: Place, tag: str, cookie: bytes = b"", most: int = 32, wall: float = WALL) -> Page:
    answer = at.answer(EVE.digest, FIND, pack_find(Find(tag, most, cookie)), wall)
    assert answer is not None
    return read_page(answer)


def test_pages_and_what_is_new_since() -> None:
    at = place(*(crowd := [Someone(f"m{number}") for number in range(100)]))
    for each in crowd[:70]:
        assert register(at, each.registers("printers")) is Status.OK
    pages, cookie = [], b""
    while True:
        page = find(at, "printers", cookie)
        pages.append(len(page.registrations))
        cookie = page.cookie
        if not page.more:
            break
    assert pages == [32, 32, 6]
    assert not find(at, "printers", cookie).registrations, "nothing is new"
    register(at, crowd[70].registers("printers"))
    register(at, crowd[3].registers("printers", sequence=2, withdrawn=True))
    assert list(find(at, "printers", cookie).registrations) == [
        crowd[70].registers("printers").encoded,
        crowd[3].registers("printers", sequence=2, withdrawn=True).encoded,
    ]
    assert len(find(at, "printers", most=5).registrations) == 5


def test_a_cookie_that_was_never_given_is_stale() -> None:
    at = place()
    register(at, ANN.registers("printers"))
    given_ = find(at, "printers").cookie
    for cookie in (bytes(24), given_[:-1] + bytes((given_[-1] ^ 1,)), given_[:7] + b"\x09" + given_[8:]):
        assert find(at, "printers", cookie).status is Status.STALE
    assert find(at, "scanners", given_).status is Status.STALE, "it was given for another tag"
    anew = Place(NETWORK, Known((ANN,)), bytes(32))
    assert find(anew, "printers", given_).status is Status.STALE, "and before it was started anew"
    assert at.counters["stale-cookie"] == 4


def test_what_has_expired_or_is_of_nobody_is_not_told() -> None:
    known = Known((ANN, BEN))
    at = Place(NETWORK, known, SECRET)
    register(at, ANN.registers("printers", ttl=100))
    register(at, BEN.registers("printers", ttl=200))
    assert len(find(at, "printers").registrations) == 2
    assert len(find(at, "printers", wall=WALL + 100).registrations) == 1
    del known.members[BEN.digest]
    assert not find(at, "printers", wall=WALL + 100).registrations
    assert at.next_due(5.0, WALL) == 105.0
    at.due(105.0, WALL + 100)
    assert (len(at.shelf), at.counters["expired"]) == (0, 2)


def test_members_that_are_removed_make_room() -> None:
    known = Known((ANN, BEN))
    at = Place(NETWORK, known, SECRET)
    register(at, ANN.registers("printers"))
    del known.members[ANN.digest]
    at.learn(1.0, WALL)
    assert len(at.shelf) == 0
    register(at, BEN.registers("printers"))
    known.members.clear()
    at.learn(SWEEP_SECONDS, WALL)
    assert len(at.shelf) == 1, "not each change is worth a look at all"


REFUSED = [
    (ANN.registers("t", network=sha256(b"other")), ANN, "foreign-network", None, -10.0),
    (BEN.registers("t"), ANN, "not-own", None, -10.0),
    (EVE.registers("t"), EVE, "unknown-member", None, 0.0),
    (ANN.registers("t", WALL - 7200), ANN, "expired", Status.CLOCK, 0.0),
    (ANN.registers("t", WALL + 3600), ANN, "future", Status.CLOCK, 0.0),
]


@pytest.mark.parametrize(("said", "by", "reason", "status", "points"), REFUSED, ids=[each[2] for each in REFUSED])
def test_what_is_refused_is_counted_and_scored(
    said: Registration, by: Someone, reason: str, status: Status | None, points: float
) -> None:
    at = place()
    assert register(at, said, by=by) is status
    assert at.counters == {f"refused-{reason}": 1}
    assert at.deeds == ([Deed(by.digest, f"registration-{reason}", points)] if points else [])
    assert len(at.shelf) == 0


def test_forged_malformed_and_oversized_ones() -> None:
    at, good = place(), ANN.registers("t").encoded
    for body in (good[:-64] + bytes(64), b"", good[:-1], ANN.signs(b"\0\0\0"), bytes(16000)):
        assert at.answer(ANN.digest, REGISTER, body, WALL) is None
    assert at.counters == {"refused-forged": 1, "refused-malformed": 3, "refused-too-long": 1}
    assert at.answer(ANN.digest, FIND, b"what?", WALL) is None
    assert at.answer(ANN.digest, "dance", b"", WALL) is None
    assert (at.counters["refused-question"], at.counters["unknown-question"]) == (1, 1)


def test_a_replay_changes_nothing() -> None:
    at = place()
    register(at, ANN.registers("t", sequence=5))
    assert register(at, ANN.registers("t", sequence=4)) is Status.OLD
    assert register(at, ANN.registers("t", sequence=5)) is Status.OK, "the same again: the answer was lost"
    assert register(at, ANN.registers("t", sequence=5), by=BEN) is None, "nor by somebody else"
    assert at.counters == {"registered": 1, "refused-old": 1, "refused-not-own": 1}


def test_floods_of_tags_and_of_registrations_are_bounded() -> None:
    crowd = [Someone(f"m{number}") for number in range(30)]
    at = place(*crowd, most=20, most_of_member=3)
    said = [register(at, each.registers(f"t{number}")) for number in range(5) for each in crowd[:10]]
    assert said.count(Status.OK) == 20
    assert len(at.shelf) == 20
    assert {register(at, each.registers("mine")) for each in crowd[10:20]} == {Status.OK}, "who has none comes in"
    assert register(at, crowd[20].registers("mine")) is Status.FULL
    few = place(most_of_member=2)
    assert [register(few, ANN.registers(f"t{number}")) for number in range(3)] == [Status.OK, Status.OK, Status.TOO_MANY]
    assert few.deeds == [Deed(ANN.digest, "registration-too-many-of-a-member", -1.0)]


def test_what_the_disk_has_counts_if_it_is_good_still() -> None:
    at, good = place(), ANN.registers("t").encoded
    for encoded in (good, BEN.registers("t", WALL - 7200).encoded, good[:-1], EVE.registers("t").encoded):
        at.remember(encoded, WALL)
    assert [each.encoded for each in at.shelf] == [good]
    assert at.counters == {"not-remembered": 3}


@given(st.sampled_from([REGISTER, FIND, "other"]), st.binary(max_size=300))
def test_no_bytes_make_it_raise(kind: str, body: bytes) -> None:
    at = place()
    at.answer(ANN.digest, kind, body, WALL)
    assert len(at.shelf) == 0

"""Places at the control socket: everybody has some, nobody has another's."""

from __future__ import annotations

import pytest

from appliance.control.admission import OF_A_USER, OF_ALL_USERS, OF_ROOT, TELL_EVERY, Admission

ROOT = 0
SOMEBODY = 1000


def fill(places: Admission, uid: int) -> int:
    """Let a user connect until it is refused; how often it was let in."""
    number = 0
    while places.admit(uid) is None:
        number += 1
    return number


def test_one_user_takes_its_own_places_only() -> None:
    places = Admission()
    assert fill(places, SOMEBODY) == OF_A_USER
    assert places.admit(SOMEBODY + 1) is None
    places.leave(SOMEBODY)
    assert places.admit(SOMEBODY) is None


def test_many_users_leave_root_its_own() -> None:
    places = Admission()
    users = range(SOMEBODY, SOMEBODY + 100)
    assert sum(fill(places, uid) for uid in users) == OF_ALL_USERS
    assert fill(places, ROOT) == OF_ROOT
    assert places.refused == {"user-busy": OF_ALL_USERS // OF_A_USER, "busy": 100 - OF_ALL_USERS // OF_A_USER + 1}


def test_nothing_is_remembered_of_who_is_gone() -> None:
    places = Admission()
    for uid in range(SOMEBODY, SOMEBODY + 10_000):
        assert places.admit(uid) is None
        places.leave(uid)
    assert not places._connected


def test_refusals_are_told_at_a_bounded_rate(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    places = Admission(lambda: now[0])
    for _ in range(1000):
        places.refuse("permission", SOMEBODY)
    now[0] += TELL_EVERY
    places.refuse("permission", SOMEBODY)
    assert len(caplog.records) == 2
    assert places.refused == {"permission": 1001}
